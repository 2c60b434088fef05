import os
from pathlib import Path

import pytest

from tests.integration.operator.conftest import evening, stopped_clock

__all__ = ["evening", "stopped_clock"]  # no page may find that tomorrow has come

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def page(live_server):
    """A browser page that notes every error and every request that leaves the service."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pyproject.toml, dev)")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; install chromium or set CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        page.complaints = []
        page.on("console", lambda line: page.complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith(live_server.url) else page.complaints.append(request.url),
        )
        yield page
        browser.close()


@pytest.fixture
def log_in(live_server, page):
    """Log in as the operator that a test made before it opened a page."""

    def log_in():
        page.goto(f"{live_server.url}/admin/")
        page.fill("[name=username]", "operator")
        page.fill("[name=password]", "throw-away")
        page.press("[name=password]", "Enter")
        page.wait_for_selector(".op-as-of")

    return log_in
