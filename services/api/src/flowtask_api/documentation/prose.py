"""What the description says in words."""

from collections.abc import Mapping

from flowtask_contracts.resources import Plan

from ..settings import DEFAULT_LIMITS

TITLE = "FlowTask API"
VERSION = "1.0.0"

TAGS: Mapping[str, str] = {
    "Tasks": "What is to be done, by whom and until when.",
    "Projects": "What tasks belong to.",
    "Sync": "Copies kept elsewhere: everything that has changed since a token.",
    "Webhooks": "URLs that hear of events, signed; [how to receive them](/docs/webhooks).",
    "Events": "What has happened, for 30 days, and what can happen, with the JSON Schema of each webhook.",
    "Webhook deliveries": "Each event on its way to each endpoint, with every attempt.",
    "Webhook replays": "Sending again what webhooks were sent, or missed.",
    "API keys": "The keys of the workspace.",
    "Account": "Who the caller is, and the workspaces that they may enter.",
    "Members": "Who belongs to a workspace, and as what.",
    "Invitations": "How people come into a workspace.",
    "Audit log": "Who has changed keys, webhooks, members and workspaces.",
    "Emails": "What is mailed to the people of the workspace.",
    "Billing": "What the workspace is on.",
}
"""Every tag that routes have, in the order in which pages show them."""

_LIMITS = "\n".join(
    f"| {plan.value} | {requests:,} | {writes:,} |"
    for plan, (requests, writes) in DEFAULT_LIMITS.items()
    if plan in Plan
)

DESCRIPTION = f"""\
Public API for managing FlowTask projects and tasks.

Every answer but 204 and 304 is JSON: `{{"data": ..., "meta": ..., "error": null}}`, or for a refusal
`{{"data": null, "meta": null, "error": {{"code", "message", "details", "retryAfter"?}}}}`. Names are camelCase, ids are UUIDs,
times are RFC 3339 in UTC. Fields and query parameters that do not exist are refused, so that no typo is lost.
Every answer has an `X-Request-Id`; name it when you ask about a request, or send your own.

## Authentication

Make a key in the settings of your workspace, or with another key at `POST /api-keys`; the whole key is shown once. Send it with
every request: `Authorization: Bearer ft_...`. A key belongs to one workspace and acts as the person who made it. Without a
valid key the answer is 401, and what belongs to another workspace is 404. Keep keys out of source code and web pages;
a key that has leaked is revoked at `DELETE /api-keys/{{keyId}}` and opens nothing from then on.

## Rate limits

In any 60 seconds a key may make so many requests, and among them so many writes (POST, PUT, PATCH, DELETE):

| plan | requests | writes |
|---|---:|---:|
{_LIMITS}

Every answer to a request that was counted tells the limit that is nearest to its end: `X-RateLimit-Limit`, `X-RateLimit-Remaining`, and `X-RateLimit-Reset`,
the Unix time at which the oldest call that counts leaves the window; `RateLimit` and `RateLimit-Policy` tell the same in
the IETF's words. One request too many is a 429 (`RATE_LIMIT_EXCEEDED`) that was not counted: wait the seconds that
`Retry-After` names, and send it again. The keys of a workspace may together ask as often as 20 of them, and a key counts on
in the window of the one that it was rotated from. A person who is signed in has the limits of a key. An address whose
credentials are refused too often gets 429 instead of 401; good ones pass from there.

## Idempotency

Send an `Idempotency-Key` (1 to 255 printable ASCII characters, a UUID will do) with any write, and repeat the request with
the same key when you do not know what became of it: within 24 hours it takes effect once, and the repeat gets the first
answer, with `Idempotency-Replayed: true`. The same key with another request is a 409; so is a repeat while the first is under way.

## Pages

Lists take `page` and `perPage` and tell `meta.total`, exact up to 10,000 (`meta.totalCapped` is there beyond); `page` times `perPage`
may not exceed 10,000. Anything deeper is read with `cursor`: empty for the first page, then `meta.nextCursor`, until it is null.
Lists that only have `cursor` leave it out for the first page.

## Changes made at the same time

Tasks and projects have an `ETag`. Send it as `If-None-Match` and an unchanged resource is a 304 without a body; send it as
`If-Match` with a write and it takes effect only if nobody has changed the resource since, else it is a 412.

## Errors

`code` is for programs, `message` for people, `details` names what is wrong field by field. 4xx will fail again unless you change
something; 429 and 503 have `Retry-After`; 500, and 503 after a write, may be repeated with the same `Idempotency-Key`.
A request is given 30 seconds, a body 1 MiB, all headers together 32 KiB.
"""
