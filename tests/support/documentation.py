"""The API's documentation in a browser: Swagger UI from installed files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import fastapi_offline
from playwright.sync_api import Locator, Page, Route

SWAGGER_UI = Path(fastapi_offline.__file__).parent / "static"


def documented(page: Page, url: str, operation: str) -> Locator:
    """Open the documentation, and one of its operations to try it out.

    Args:
        page: a browser window.
        url: where the documentation is.
        operation: its id in the document.
    """
    page.context.route("https://cdn.jsdelivr.net/**", _answer)
    page.goto(url)
    found = page.locator(f"#operations-default-{operation}")
    found.locator(".opblock-summary-control").click()
    found.get_by_role("button", name="Try it out").click()
    return found


def _answer(route: Route) -> None:
    route.fulfill(path=SWAGGER_UI / Path(urlsplit(route.request.url).path).name)
