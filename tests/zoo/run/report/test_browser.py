"""The page of a radiograph in a browser: it shows the very pixels, reads them, and complains of nothing."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.browser import WIDE, launched, needs_chromium, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page, and at the end hold that nothing was said on the console and nothing asked of a network."""
    opened: list[tuple[Any, list[str], list[str]]] = []

    def open_(path: Path, width: int = 1280, scheme: str = "light") -> Any:
        opened.append(watched(chromium, width, scheme))
        tab = opened[-1][0]
        tab.goto(path.as_uri())
        tab.locator("html[data-ready]").wait_for(state="attached")
        return tab

    yield open_
    for tab, complaints, requests in opened:
        tab.context.close()
        assert complaints == []
        assert [url for url in requests if not url.startswith(("file://", "data:", "blob:"))] == []
        assert sum(url.startswith("file://") for url in requests) == 1


def drawn(tab: Any) -> str:
    """Return the stage as it is drawn, after the next frame."""
    tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return str(tab.locator("#stage").evaluate("canvas => canvas.toDataURL()"))


def reading(tab: Any) -> dict[str, float]:
    drawn(tab)
    text = tab.locator("#reading").inner_text()
    return {name: float(value) for name, value in re.findall(r"(y|x|before|after|local chi2|±) (-?[\d.]+)", text)}


def test_the_page_compares_reads_and_overlays(visit: Callable[..., Any], suspicious: Any, grey: Any) -> None:
    tab = visit(suspicious.page)
    stage = tab.locator("#stage")
    stage.focus()
    found = reading(tab)
    y, x = int(found["y"]), int(found["x"])
    assert found["before"] == grey.before[y, x]
    assert found["after"] == grey.after[y, x]
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Shift+ArrowUp")
    found = reading(tab)
    assert (found["y"], found["x"]) == (y - 10, x + 1)
    assert found["before"] == grey.before[y - 10, x + 1]
    before = drawn(tab)
    tab.locator("#divider").evaluate("it => { it.value = 80; it.dispatchEvent(new Event('input')); }")
    moved = drawn(tab)
    assert moved != before
    for name in ("check", "spread", "places"):
        tab.locator(f"#show-{name}").click()
        assert drawn(tab) != moved, name
        tab.locator(f"#show-{name}").click()
        assert drawn(tab) == moved, name
    assert not tab.locator(".stills").is_visible()


@pytest.mark.slow
def test_the_divider_and_the_image_follow_the_pointer(visit: Callable[..., Any], suspicious: Any) -> None:
    tab = visit(suspicious.page)
    box = tab.locator("#stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    tab.mouse.move(box["x"] + box["width"] / 2, middle)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.25 * box["width"], middle, steps=3)
    tab.mouse.up()
    assert float(tab.locator("#divider").input_value()) == pytest.approx(25, abs=0.6)
    # A click reads; the wheel zooms about the pointer once the image has been clicked, and a drag then moves it.
    tab.mouse.click(box["x"] + 0.5 * box["width"], middle - 30)
    clicked = reading(tab)
    before = drawn(tab)
    tab.mouse.wheel(0, -600)
    assert drawn(tab) != before
    assert reading(tab)["x"] == pytest.approx(clicked["x"], abs=1)
    zoomed = drawn(tab)
    tab.mouse.move(box["x"] + 0.6 * box["width"], middle)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.7 * box["width"], middle + 40, steps=3)
    tab.mouse.up()
    assert drawn(tab) != zoomed
    tab.locator("#fit").click()
    tab.mouse.move(box["x"] + 0.5 * box["width"], middle - 30)
    assert reading(tab)["y"] == pytest.approx(clicked["y"], abs=1)


@pytest.mark.slow
def test_the_grey_window_is_that_of_sixteen_bits(visit: Callable[..., Any], made: Any, grey: Any) -> None:
    tab = visit(made.page)
    tab.locator("#divider").evaluate("it => { it.value = 100; it.dispatchEvent(new Event('input')); }")
    stage = tab.locator("#stage")
    stage.focus()
    for _ in range(30):
        tab.keyboard.press("+")  # as close as it goes: the pixel under the cursor then reaches from the middle to 32 px
    found = reading(tab)
    level = int(grey.before[int(found["y"]), int(found["x"])])
    # A window of two grey levels: only 16 bits tell neighbours apart.
    for black, white, wanted in ((level - 1, level, 255), (level, level + 1, 0), (level - 1, level + 1, 128)):
        tab.locator("#white").fill(str(white))
        tab.locator("#white").press("Enter")
        tab.locator("#black").fill(str(black))
        tab.locator("#black").press("Enter")
        png = base64.b64decode(drawn(tab).partition(",")[2])
        with Image.open(io.BytesIO(png)) as picture:
            colour = picture.convert("RGB").getpixel((picture.width // 2 + 12, picture.height // 2 + 8))
        assert colour == (wanted,) * 3, (black, white)


@pytest.mark.slow
def test_a_place_that_fails_is_gone_to_from_the_table(visit: Callable[..., Any], suspicious: Any) -> None:
    tab = visit(suspicious.page)
    tab.locator("#places tbody tr").nth(1).click()
    found = reading(tab)
    assert (found["y"], found["x"]) == (90, 70)
    header = tab.locator("#places thead th", has_text="chi2")
    header.locator("button").click()
    cells = tab.locator("#places tbody td:nth-child(4)").all_inner_texts()
    assert [float(cell) for cell in cells] == [4.0, 9.0]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_text_has_contrast(visit: Callable[..., Any], suspicious: Any, scheme: str) -> None:
    from tests.zoo.evaluation.report.test_browser import CONTRAST

    tab = visit(suspicious.page, scheme=scheme)
    for width in (390, 800, 1280):
        tab.set_viewport_size({"width": width, "height": 900})
        drawn(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate(WIDE) == []
        worst = tab.evaluate(CONTRAST)
        assert worst["text"] >= 4.5, worst["where"]  # WCAG 2.2, criterion 1.4.3


@pytest.mark.slow
def test_print_shows_pictures_facts_and_no_controls(visit: Callable[..., Any], suspicious: Any, tmp_path: Path) -> None:
    tab = visit(suspicious.page, scheme="dark")
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator(".viewer").is_visible()
    assert tab.locator(".stills img").count() == 4
    assert tab.locator(".stills img").evaluate_all("all => all.every((one) => one.naturalWidth > 0)")
    assert tab.locator(".signed").is_visible()
    pages = tab.pdf(path=tmp_path / "page.pdf", format="A4")
    assert 1 <= len(re.findall(rb"/Type /Page\b", pages)) <= 5


@pytest.mark.slow
def test_without_scripts_the_pictures_are_there(chromium: Any, suspicious: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(suspicious.page.as_uri())
    assert tab.locator(".stills img").first.is_visible()
    assert not tab.locator(".viewer").is_visible()
    context.close()
