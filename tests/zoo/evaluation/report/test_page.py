"""The page as text: whole, alone, well-formed, escaped, and of the same numbers as its files."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.zoo.evaluation.example import example_evaluation
from tests.zoo.evaluation.report.conftest import FORMULA, HOSTILE
from xsim.errors import InputError
from xsim_zoo.evaluation.report.page import write_report
from xsim_zoo.evaluation.results import Evaluation, section_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VOID = {"meta", "link", "img", "br", "hr", "input"}
MEGABYTE = 1 << 20


class Page(HTMLParser):
    """Collects what the tests ask of a page, and checks that its elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.data: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.svgs = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "data":
            self.data.append((dict(attrs)["value"] or "", ""))
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "data":
            self.data[-1] = (self.data[-1][0], self.data[-1][1] + data)
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


def numbers_in(document: object) -> Iterator[float]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            yield from numbers_in(item)
    elif isinstance(document, (int, float)) and not isinstance(document, bool):
        yield float(document)


@pytest.mark.parametrize("name", ["page", "hostile_page", "bare_page"])
def test_elements_nest_and_drawings_are_xml(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    page = Page(path.read_text(encoding="utf-8"))
    for svg in page.svgs:
        ET.fromstring(svg)
    identities = [value for _, key, value in page.attributes if key == "id"]
    assert len(identities) == len(set(identities))


@pytest.mark.parametrize("name", ["page", "hostile_page"])
def test_nothing_is_loaded_from_elsewhere(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    page = Page(path.read_text(encoding="utf-8"))
    loading = {"src", "href", "srcset", "action", "poster", "data", "background", "xlink:href"}
    targets = [value for _, key, value in page.attributes if key in loading]
    assert targets
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert not re.search(r"@import|url\((?!#)", path.read_text(encoding="utf-8"))
    policy = next(value for tag, key, value in page.attributes if tag == "meta" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_every_number_shown_is_one_of_the_json_document(page: Path) -> None:
    known = set(numbers_in(json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))))
    shown = Page(page.read_text(encoding="utf-8")).data
    assert len(shown) > 500
    for value, text in shown:
        assert float(value) in known
        digits = text.replace("\N{MINUS SIGN}", "-").replace(",", "")
        mantissa = digits.split("e")[0]
        unit = 10.0 ** -len(mantissa.partition(".")[2]) * (10.0 ** float(digits.split("e")[1]) if "e" in digits else 1)
        # `g` drops trailing zeros, so a short text may stand for a number of three digits.
        assert float(digits) == pytest.approx(float(value), abs=0.5001 * unit, rel=5e-3 if "e" in digits else 0)


def test_the_page_holds_its_json_document(page: Path, evaluation: Evaluation) -> None:
    embedded = Page(page.read_text(encoding="utf-8")).scripts[0]
    assert json.loads(embedded) == json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    document = json.loads(embedded)
    read_back = Evaluation.from_dict(document)
    for name in set(section_names()) - {"shown"}:
        assert read_back.sections[name] == evaluation.sections[name]
    assert read_back.model_dump(exclude={"sections"}) == evaluation.model_dump(exclude={"sections"})
    assert read_back.shown[0].ssim == evaluation.shown[0].ssim


def test_hostile_names_are_text_everywhere(hostile_page: Path) -> None:
    text = hostile_page.read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.scripts) == 3
    assert not [value for tag, key, value in page.attributes if key.startswith("on") or value == "x"]
    assert "{{7*7}}" in text
    assert json.loads(page.scripts[0])["provenance"]["contenders"][-1]["label"] == HOSTILE


def test_csv_files_hold_every_section_and_no_formula(hostile_page: Path) -> None:
    tables = {path.stem.partition("_")[2]: path for path in hostile_page.parent.glob("out_*.csv")}
    assert set(tables) == {"summary", "images", *section_names()} - {"shown"}
    for path in tables.values():
        rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
        assert rows
        assert {row["restorer"] for row in rows} & {HOSTILE, f"'{FORMULA}"}
        assert not any(value.startswith("=") for row in rows for value in row.values())


def test_csv_of_curves_has_a_line_for_each_point(page: Path, evaluation: Evaluation) -> None:
    rows = list(csv.DictReader(page.with_name("out_power.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == sum(len(curve.frequency_lp_mm) for curve in evaluation.power)
    first = evaluation.power[0]
    assert [float(row["value"]) for row in rows[: len(first.value)]] == list(first.value)


def test_absent_sections_say_why(bare_page: Path) -> None:
    text = bare_page.read_text(encoding="utf-8")
    assert all(f"no {section} here, and this is why" in text for section in section_names())
    assert [path.name for path in sorted(bare_page.parent.glob("*.csv"))] == ["out_images.csv", "out_summary.csv"]


def test_failed_checks_stand_first(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    levels = re.findall(r'<li class="(fail|warn|pass)">', text)
    assert levels == ["fail", "warn", "pass"]
    assert text.index('<li class="fail">') < text.index("<table>")


def test_a_page_is_small(page: Path) -> None:
    assert page.stat().st_size < 10 * MEGABYTE


def test_one_family_has_no_intervals_and_one_restorer_no_differences(tmp_path: Path) -> None:
    one = example_evaluation(("unet",), absent={"differences": "one restorer has nothing to differ from"})
    document = one.to_dict()
    for row in document["summary"]:
        row["estimate"] |= {"low": None, "high": None}
    text = write_report(Evaluation.from_dict(document), tmp_path / "one.html")[0].read_text(encoding="utf-8")
    assert "no interval" in text
    assert "one restorer has nothing to differ from" in text


def test_nothing_is_overwritten_and_all_or_nothing_is_written(tmp_path: Path, evaluation: Evaluation) -> None:
    table = tmp_path / "out_power.csv"
    table.write_text("mine")
    with pytest.raises(InputError, match=r"out_power\.csv: exists already"):
        write_report(evaluation, tmp_path / "out.html")
    assert [path.name for path in tmp_path.iterdir()] == ["out_power.csv"]
    write_report(evaluation, tmp_path / "out.html", force=True)
    assert table.read_text().startswith("restorer,quantity,")


def test_a_page_needs_the_name_of_one(tmp_path: Path, evaluation: Evaluation) -> None:
    with pytest.raises(InputError, match=r"give one that ends in \.html"):
        write_report(evaluation, tmp_path / "out.pdf")
