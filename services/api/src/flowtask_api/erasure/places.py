"""Where in this schema a workspace's and a person's rows are: the one list of it.

A test reads the schema's columns and fails for one that could belong here and is named nowhere.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowsOf:
    """Rows of a table whose `column` names their owner; `among` is what else holds of them, so that an index finds them."""

    table: str
    column: str = "workspace_id"
    among: str = "true"


OF_WORKSPACE = (
    RowsOf("tasks"),
    RowsOf("projects", among="deleted_at IS NULL"),
    RowsOf("projects", among="deleted_at IS NOT NULL"),
    RowsOf("tombstones"),
    RowsOf("audit_entries"),
    RowsOf("invitations"),
    RowsOf("idempotency_keys"),
    RowsOf("command_records"),
    RowsOf("api_keys"),
    RowsOf("memberships"),
    RowsOf("workspaces", column="id"),
)
"""What goes with a workspace, in an order that no foreign key forbids."""

AT_ONCE: dict[tuple[str, str], str] = {
    ("users", "id"): "the person's own row goes in the transaction of the request",
    ("users", "email"): "with the person's row",
    ("users", "name"): "with the person's row",
    ("memberships", "user_id"): "places end in the transaction of the request",
    ("api_keys", "user_id"): "keys go with the place, by foreign key",
    ("api_keys", "last_used_address"): "keys go with the place, by foreign key",
    ("users", "clerk_id"): "with the person's row",
    ("invitations", "email"): "invitations of the address go in the transaction of the request",
    (
        "idempotency_keys",
        "about",
    ): "answers about the person, or their address, go with the request, and once more at the end",
}
"""What holds a person's data, and when it goes."""

PSEUDONYMS: dict[tuple[str, str], str] = {
    ("tasks", "created_by"): "who made a task in a workspace that stays",
    ("tasks", "assignee_id"): "who has done a task; open ones are taken off the person",
    ("projects", "owner_id"): "who made a project in a workspace that stays",
    ("projects", "deleted_by"): "for as long as a deletion takes",
    ("invitations", "invited_by"): "who invited, for as long as the invitation is open",
    ("audit_entries", "actor_id"): "who changed something in a workspace that stays",
    ("audit_entries", "target_id"): "whose place was changed in a workspace that stays",
    ("erasures", "workspace_id"): "the work itself, gone when it is done",
    ("erasures", "user_id"): "the work itself, gone when it is done",
    ("erasures", "actor"): "the work itself, gone when it is done",
    ("erasures", "about"): "the work itself, gone when it is done",
    ("erased_clerk_ids", "clerk_digest"): "for a day, so that no token from before makes the person known anew",
}
"""Ids that stay, or stay for a while, and what they say: nobody can read out of them who it was."""

NO_PERSON: frozenset[tuple[str, str]] = frozenset(
    {
        ("api_keys", "id"),
        ("api_keys", "name"),
        ("api_keys", "rotated_first"),
        ("api_keys", "rotated_from"),
        ("api_keys", "rotated_to"),
        ("audit_entries", "command_id"),
        ("audit_entries", "id"),
        ("audit_entries", "key_id"),
        ("command_records", "command_id"),
        ("erasures", "id"),
        ("failed_messages", "message_id"),
        ("invitations", "id"),
        ("outbox", "event_id"),
        ("projects", "id"),
        ("projects", "name"),
        ("tasks", "id"),
        ("tasks", "project_id"),
        ("memberships", "clerk_role_at"),
        ("tombstones", "id"),
        ("workspaces", "clerk_organization_id"),
        ("workspaces", "name"),
    }
)
"""Ids of other things, and names that a workspace gave to what is its own. `failed_messages` are searched for mentions."""
