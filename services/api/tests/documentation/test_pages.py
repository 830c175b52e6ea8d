"""The pages as a browser without JavaScript, or a search engine, reads them."""

import re
from html import unescape
from importlib.resources import files

import pytest

from flowtask_contracts.events import PUBLIC_TYPES

PAGES = ["/docs", "/docs/api", "/docs/webhooks"]
SAMPLES = [
    "verify.py",
    "verify.mjs",
    "verify.go",
    "verify.sh",
    "verify_body.py",
    "verify_ed25519.py",
    "verify_ed25519.mjs",
]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_open_to_everybody_and_loads_nothing_from_elsewhere(stranger, path):
    answer = await stranger.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy.replace("style-src-attr 'unsafe-inline'", "")
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', answer.text)
    assert loaded
    assert all(address.startswith(("/docs/assets/", "data:,")) for address in loaded)
    assert not re.search(r"<script(?![^>]+src=)|\son\w+=|style=", answer.text)


async def test_what_pages_load_may_be_kept_for_ever_for_its_address_holds_its_digest(stranger):
    for path in PAGES:
        for address in re.findall(r'"(/docs/assets/[^"]+)"', (await stranger.get(path)).text):
            answer = await stranger.get(address)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            other = address.replace("/docs/assets/", "/docs/assets/0")
            assert (await stranger.get(other)).status_code == 404
    assert (await stranger.get("/docs/assets/0/nothing.js")).status_code == 404


async def test_large_files_travel_compressed_under_a_tag_of_their_own(stranger):
    plain = await stranger.get("/openapi.json", headers={"accept-encoding": "identity"})
    packed = await stranger.get("/openapi.json", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert packed.headers["etag"] != plain.headers["etag"]


async def test_links_within_the_pages_lead_somewhere(stranger):
    for path in PAGES:
        for address in re.findall(r'href="(/[^"]+)"', (await stranger.get(path)).text):
            assert (await stranger.get(address)).status_code == 200, f"{path} -> {address}"


async def test_the_webhooks_page_names_every_event_and_shows_the_samples_as_they_are(stranger):
    text = unescape((await stranger.get("/docs/webhooks")).text)

    for event in PUBLIC_TYPES:
        assert f"<code>{event}</code>" in text
    for name in SAMPLES:
        assert (files("flowtask_api.documentation") / "samples" / name).read_text().rstrip() in text
    for header in ("webhook-id", "webhook-timestamp", "webhook-signature", "X-FlowTask-Signature"):
        assert header in text
    assert "$" not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
