"""Every page in a browser, at a desk and on a telephone, light and dark: nothing broken, too wide or dead."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make setup")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH: apt-get install chromium"),
]

LOOK = """() => ({
  pictures: [...document.images].filter((one) => !one.complete || one.naturalWidth === 0).map((one) => one.src),
  unnamed: [...document.querySelectorAll("article img")].filter((one) => !one.alt).map((one) => one.src),
  links: [...document.querySelectorAll("a[href]")].map((one) => one.href),
  ids: [...document.querySelectorAll("[id]")].map((one) => one.id),
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  outside: [...document.querySelectorAll("article *")].filter((one) => {
    const box = one.getBoundingClientRect();
    const scrolls = one.closest(".md-typeset__scrollwrap, pre, .equation, .highlight, math, .headerlink");
    return box.width > 0 && box.right > document.documentElement.clientWidth + 1 && !scrolls;
  }).map((one) => one.outerHTML.slice(0, 100)),
  scheme: document.body.getAttribute("data-md-color-scheme"),
  ink: getComputedStyle(document.querySelector("article p, article td")).color,
  paper: getComputedStyle(document.body).backgroundColor,
  equations: [...document.querySelectorAll("math")].filter((one) => one.getBoundingClientRect().height < 5).length,
})"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"],
        )
        yield browser
        browser.close()


def look(chromium: Any, page: Path, width: int, light: str) -> dict[str, Any]:
    """Return what a page shows at a width, and what the browser complained about or asked a network for."""
    complaints: list[str] = []
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=light)
    tab = context.new_page()
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    tab.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    tab.goto(page.as_uri())
    tab.wait_for_load_state("load")
    found: dict[str, Any] = tab.evaluate(LOOK)
    context.close()
    return {**found, "complaints": complaints}


def contrast(ink: str, paper: str) -> float:
    """Return the contrast of text and ground, 1 to 21 (WCAG 2.1, relative luminance)."""
    first, second = sorted(map(luminance, (ink, paper)))
    return (second + 0.05) / (first + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)``; text that lets the ground through counts as its colour."""
    shares = [float(number) / 255 for number in re.findall(r"[\d.]+", colour)[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("light", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_looks_as_it_should(site: Path, chromium: Any, width: int, light: str) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    seen = {page: look(chromium, page, width, light) for page in pages if page.name != "404.html"}
    faults = []
    for page, found in seen.items():
        name = page.relative_to(site)
        faults += [f"{name}: picture {url}" for url in found["pictures"]]
        faults += [f"{name}: picture without a text {url}" for url in found["unnamed"]]
        faults += [f"{name}: {text}" for text in found["complaints"]]
        faults += [f"{name}: stands out: {html}" for html in found["outside"][:3]]
        faults += [f"{name}: {found['wide']} px too wide"] * (found["wide"] > 0)
        faults += [f"{name}: {found['equations']} equations not drawn"] * (found["equations"] > 0)
        faults += [f"{name}: is {found['scheme']}"] * (found["scheme"] != {"light": "default", "dark": "slate"}[light])
        faults += [f"{name}: {found['ink']} on {found['paper']}"] * (contrast(found["ink"], found["paper"]) < 4.5)
        faults += [f"{name}: dead link {link}" for link in dead_links(found["links"], seen)]
    assert not faults, "\n".join(faults)


def dead_links(links: list[str], seen: dict[Path, dict[str, Any]]) -> list[str]:
    """Return the links into the site that lead to no page, or to no place on it."""
    places = {page.as_uri(): set(found["ids"]) for page, found in seen.items()}
    dead = []
    for link in set(links):
        address, anchor = urldefrag(link)
        if urlsplit(link).scheme != "file":
            continue
        if address not in places or (anchor and anchor not in places[address]):
            dead.append(link)
    return sorted(dead)
