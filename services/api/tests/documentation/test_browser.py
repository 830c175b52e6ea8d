"""The interactive page in a real browser."""

import os
import shutil

import pytest
from playwright.async_api import async_playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here"),
    pytest.mark.timeout(200),
]


@pytest.fixture
async def page():
    """An empty page; what it asks for and what it complains of is kept in `requests` and `complaints`."""
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        made = await browser.new_page()
        made.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        made.requests, made.complaints = [], []
        made.on("request", lambda request: made.requests.append(request.url))
        made.on("console", lambda message: made.complaints.append(message.text) if message.type == "error" else None)
        made.on("pageerror", lambda error: made.complaints.append(str(error)))
        yield made
        await browser.close()


async def try_out(page, operation):
    """Run an operation of the page with the example it shows; returns the status that it then shows."""
    block = page.locator(f"[id$=-{operation}]")
    await block.locator(".opblock-summary-control").click()
    await block.locator("button.execute").click()
    status = block.locator(".live-responses-table tbody .response-col_status").first
    await expect(status).to_contain_text("20")
    return (await status.inner_text()).split()[0]


async def test_with_a_key_operations_are_tried_out_on_the_page_and_nothing_is_loaded_from_elsewhere(
    page, address, account, client
):
    await page.goto(f"{address}/docs/api")
    await page.locator("button.authorize").first.click()
    await page.locator(".auth-container input").first.fill(account.key)
    await page.locator(".auth-btn-wrapper button.authorize").first.click()
    await page.locator(".auth-btn-wrapper button.btn-done").first.click()

    assert await try_out(page, "createTask") == "201"
    assert await try_out(page, "listTasks") == "200"

    assert len((await client.get("/api/v1/tasks")).json()["data"]) == 1
    elsewhere = [url for url in page.requests if not url.startswith((f"{address}/", "data:", "blob:"))]
    assert (elsewhere, page.complaints) == ([], [])


async def test_the_other_pages_are_read_without_javascript_and_without_complaints(page, address):
    await page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/docs", "/docs/webhooks"):
        await page.goto(address + path)
        assert await page.locator("h1").count() == 1
        wide = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide
    assert page.complaints == []
