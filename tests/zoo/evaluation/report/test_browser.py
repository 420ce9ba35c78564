"""The page in a browser: it looks and behaves as it should, alone, and without a complaint.

The browser is the Chromium of the machine; where there is none these tests are skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import launched, needs_chromium, watched
from tests.zoo.evaluation.report.conftest import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = needs_chromium

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => rgba(color).slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (rgba(color)[3] > 200) return color;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  const ratio = (one, two) => {
    const [low, high] = [luminance(one), luminance(two)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility()
    && !element.closest(".stage") && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  const worst = { text: 99, curve: 99, where: "" };
  for (const element of texts) {
    const style = getComputedStyle(element);
    const color = element.closest("svg") ? style.fill : style.color;
    const found = ratio(color, ground(element));
    if (found < worst.text) { worst.text = found; worst.where = element.outerHTML.slice(0, 120); }
  }
  for (const curve of document.querySelectorAll(".drawn, .curve, .mark, .bar")) {
    worst.curve = Math.min(worst.curve, ratio(getComputedStyle(curve).stroke, ground(curve)));
  }
  return worst;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a file, and at the end hold that nothing was said on the console and nothing asked of a network."""
    opened: list[tuple[Any, list[str], list[str]]] = []

    def open_(path: Path, width: int = 1280, scheme: str = "light") -> Any:
        opened.append(watched(chromium, width, scheme))
        tab = opened[-1][0]
        tab.goto(path.as_uri())
        return tab

    yield open_
    for tab, complaints, requests in opened:
        tab.context.close()
        assert complaints == []
        assert [url for url in requests if not url.startswith(("file://", "data:", "blob:"))] == []
        assert sum(url.startswith("file://") for url in requests) == 1


def dividers(tab: Any) -> list[int]:
    return [int(tab.locator(".divider").nth(index).get_attribute("aria-valuenow")) for index in (0, 1)]


def clip(tab: Any, role: str) -> str:
    return str(tab.locator(f".stage img.{role}").evaluate("image => getComputedStyle(image).clipPath"))


def test_every_image_loads(visit: Callable[..., Any], page: Path) -> None:
    tab = visit(page)
    images = tab.locator("img")
    assert images.count() > 40
    assert images.evaluate_all("all => all.every((image) => image.complete && image.naturalWidth > 0)")


def test_the_slider_follows_the_mouse(visit: Callable[..., Any], page: Path) -> None:
    tab = visit(page)
    before = clip(tab, "lr"), clip(tab, "restored")
    tab.locator(".stage").scroll_into_view_if_needed()
    box = tab.locator(".stage").bounding_box()
    handle = tab.locator(".divider").nth(0).bounding_box()
    tab.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20, steps=4)
    assert dividers(tab) == pytest.approx([50, 67], abs=1)
    tab.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 20, steps=4)
    tab.mouse.up()
    assert dividers(tab) == pytest.approx([90, 90], abs=1)
    assert clip(tab, "lr") != before[0]
    assert clip(tab, "restored") != before[1]
    tab.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 20)
    assert dividers(tab) == pytest.approx([90, 90], abs=1)
    tab.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + 20)
    assert dividers(tab) == pytest.approx([20, 90], abs=1)


@pytest.mark.parametrize(("start", "end"), [("Home", 0), ("End", 100)])
def test_dividers_that_met_part_again(visit: Callable[..., Any], page: Path, start: str, end: int) -> None:
    tab = visit(page)
    for index in (0, 1):
        tab.locator(".divider").nth(index).press(start)
    assert dividers(tab) == [end, end]
    tab.locator(".stage").click()
    assert sorted(dividers(tab)) == pytest.approx(sorted([end, 50]), abs=1)


def test_the_slider_follows_the_keyboard(visit: Callable[..., Any], page: Path) -> None:
    tab = visit(page)
    first, second = tab.locator(".divider").nth(0), tab.locator(".divider").nth(1)
    tab.locator(".zoom").focus()
    # The picture's frame scrolls, so it takes the keyboard too.
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    assert first.evaluate("divider => divider === document.activeElement")
    tab.keyboard.press("ArrowRight")
    assert dividers(tab) == [34, 67]
    tab.keyboard.press("PageDown")
    assert dividers(tab) == [24, 67]
    tab.keyboard.press("Tab")
    assert second.evaluate("divider => divider === document.activeElement")
    tab.keyboard.press("End")
    assert dividers(tab) == [24, 100]
    assert clip(tab, "restored") in ("inset(0px)", "inset(0px 0% 0px 0px)")


def test_any_card_and_restorer_can_be_compared(visit: Callable[..., Any], page: Path) -> None:
    tab = visit(page)
    card = tab.locator(".card").nth(tab.locator(".card").count() - 1)
    card.get_by_role("button", name="Compare").click()
    name = card.locator('.tile[data-role="restored"]').first.get_attribute("data-name")
    for role in ("lr", "restored", "hr"):
        source = card.locator(f'.tile[data-role="{role}"] img').first.get_attribute("src")
        assert tab.locator(f".stage img.{role}").get_attribute("src") == source
    assert tab.locator(".strip.restored").inner_text() == name
    assert name in tab.locator(".reading").inner_text()
    tab.locator(".zoom").select_option("4")
    natural, shown = tab.locator(".stage img.hr").evaluate("image => [image.naturalWidth, image.width]")
    assert shown == 4 * natural


def test_tables_sort_by_number_both_ways_and_by_keyboard(visit: Callable[..., Any], page: Path) -> None:
    tab = visit(page)
    table = tab.locator("table", has=tab.get_by_role("button", name="mean, 95 % interval")).first
    header = table.locator("thead th", has_text="mean, 95 % interval")
    column = header.evaluate("cell => cell.cellIndex")

    def values() -> list[float]:
        cells = table.locator(f"tbody tr > :nth-child({column + 1})")
        return [float(value) for value in cells.evaluate_all("all => all.map((cell) => cell.dataset.value)")]

    found = values()
    header.locator("button").focus()
    tab.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(found) != found
    tab.keyboard.press("Space")
    assert header.get_attribute("aria-sort") == "descending"
    assert values() == sorted(found, reverse=True)
    other = table.locator("thead th").first
    other.locator("button").click()
    assert header.get_attribute("aria-sort") == "none"
    assert other.get_attribute("aria-sort") == "ascending"


def test_what_was_not_measured_sorts_last(visit: Callable[..., Any], page: Path) -> None:
    tab = visit(page)
    table = tab.locator("#noise table", has_text="SRb").first
    header = table.locator("thead th", has_text="SRb")
    for _ in range(2):
        header.locator("button").click()
        assert "not reached" in table.locator("tbody tr").last.inner_text()


def test_contents_lead_to_their_sections(visit: Callable[..., Any], page: Path) -> None:
    tab = visit(page)
    links = tab.locator("nav a")
    assert links.count() == tab.locator("section").count()
    for index in range(links.count()):
        links.nth(index).click()
        target = links.nth(index).get_attribute("href")
        assert tab.evaluate("location.hash") == target
        assert tab.locator(target).evaluate("section => section.getBoundingClientRect().top < innerHeight")


@pytest.mark.parametrize("name", ["page", "hostile_page", "bare_page"])
def test_nothing_overflows(visit: Callable[..., Any], name: str, request: pytest.FixtureRequest) -> None:
    tab = visit(request.getfixturevalue(name))
    # What is wider than its box and neither scrolls nor is cut off on purpose.
    wide = """all => all.filter((box) => box.scrollWidth > box.clientWidth + 1
        && getComputedStyle(box).overflowX === "visible").map((box) => box.outerHTML.slice(0, 200))"""
    boxes = tab.locator("section, figure:not(.table), figcaption, dd, dt, li, p, .card, .controls")
    for width in (360, 800, 1120, 1600):
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert boxes.evaluate_all(wide) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_contrast(visit: Callable[..., Any], page: Path, scheme: str) -> None:
    tab = visit(page, scheme=scheme)
    grounds = {"light": "rgb(255, 255, 255)", "dark": "rgb(19, 23, 27)"}
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[scheme]
    # WCAG 2.2: 4.5 for text (criterion 1.4.3), 3 for graphics (criterion 1.4.11).
    worst = tab.evaluate(CONTRAST)
    assert worst["text"] >= 4.5, worst["where"]
    assert worst["curve"] >= 3


def test_print_shows_all_and_no_controls(visit: Callable[..., Any], page: Path) -> None:
    tab = visit(page, scheme="dark")
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator("nav").is_visible()
    assert not tab.locator(".slider").is_visible()
    cut = "all => all.filter((box) => box.scrollHeight > box.clientHeight + 2).length"
    assert tab.locator(".scroll").evaluate_all(cut) == 0


def test_hostile_names_do_nothing(visit: Callable[..., Any], hostile_page: Path) -> None:
    tab = visit(hostile_page)
    assert "owned" not in tab.title().replace(HOSTILE, "")
    tab.locator(".images").select_option(index=1)
    tab.locator(".restorers").select_option(index=0)
    assert tab.locator("img[src='x']").count() == 0
    assert tab.title().startswith("Evaluation of")
    assert HOSTILE in tab.locator("h1").inner_text()


def test_numbers_can_be_saved_from_the_page(visit: Callable[..., Any], page: Path, tmp_path: Path) -> None:
    tab = visit(page)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save the numbers").click()
    download.value.save_as(tmp_path / "saved.json")
    saved = (tmp_path / "saved.json").read_text(encoding="utf-8")
    assert saved == page.with_suffix(".json").read_text(encoding="utf-8").translate(
        {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
    )
