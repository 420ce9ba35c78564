"""The Chromium of the machine, for tests of pages; where there is none they are skipped with the reason.

Where ``XSIM_NEEDS_BROWSER`` is set, as in CI, they fail instead. ``python -m tests.browser`` ends with 1 if there is
none.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAMS = (
    "chromium", "chromium-browser", "google-chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)  # fmt: skip
CHROMIUM = os.environ.get("XSIM_CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), None)
NEEDED = bool(os.environ.get("XSIM_NEEDS_BROWSER"))
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not NEEDED, reason="no Chromium on the PATH: apt-get install chromium, or XSIM_CHROMIUM=/path"
)

WIDE = """() => [...document.querySelectorAll("section, figure, figcaption, dd, dt, li, p, label, button, .controls")]
    .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1 && box.clientWidth > 0
        && getComputedStyle(box).overflowX === "visible" && getComputedStyle(box).display !== "inline")
    .map((box) => box.outerHTML.slice(0, 200))"""
"""What is wider than its box and neither scrolls nor is cut off on purpose."""


@contextmanager
def launched() -> Iterator[Any]:
    """Yield a browser."""
    name = "playwright.sync_api"
    if NEEDED:
        sync_api = importlib.import_module(name)
    else:
        sync_api = pytest.importorskip(name, reason="playwright is not installed: make setup")
    if CHROMIUM is None:
        pytest.fail("XSIM_NEEDS_BROWSER is set, and there is no Chromium")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def watched(browser: Any, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str], list[str]]:
    """Return a tab, and the lists to which its complaints and its requests are added."""
    complaints: list[str] = []
    requests: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    return tab, complaints, requests


if __name__ == "__main__":
    sys.exit(CHROMIUM is None)
