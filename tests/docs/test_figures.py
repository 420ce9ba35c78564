"""The headline's figures in README and documentation are those of the record, and the record is of today's weights."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from xsim_zoo.weights.card import shipped

ROOT = Path(__file__).resolve().parents[2]
REFRESH = "run `python benchmarks/headline.py -o OUT`, then `python docs/figures.py OUT`"


def _program():
    spec = importlib.util.spec_from_file_location("figures", ROOT / "docs" / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["figures"] = module
    spec.loader.exec_module(module)
    return module


figures = _program()


@pytest.fixture(scope="module")
def record():
    return figures.records()


@pytest.mark.parametrize("path", figures.pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_show_what_the_record_says(path, record):
    page = path.read_text(encoding="utf-8")
    assert page.count("<!-- fig ") == page.count("<!-- /fig -->") == len(figures.MARK.findall(page))
    _, changed, failed = figures.filled(page, figures.Figures(record))
    assert not changed, "run `python docs/figures.py`"
    assert not failed


def test_the_record_is_of_the_weights_in_the_package(record):
    names = {path.name: path for path in shipped().values()}
    scored = {one["name"]: one["digest"] for one in record["weights"].values() if one["name"] in names}
    assert scored, "a record of none of the weights says nothing of them"
    for name, digest in scored.items():
        assert digest == hashlib.sha256(names[name].read_bytes()).hexdigest(), f"{name} was replaced: {REFRESH}"


@pytest.mark.parametrize(
    ("page", "section"), [("README.md", "## How good it is"), ("docs/experiments.md", "## Side by side")]
)
def test_no_figure_of_the_headline_is_written_by_hand(page, section):
    text = (ROOT / page).read_text(encoding="utf-8")
    _, _, rest = text.partition(f"{section}\n")
    by_hand = figures.MARK.sub("", rest.partition("\n## ")[0])
    assert rest
    assert not re.findall(r"(?<![\w.])\d*\.\d\d+", by_hand)


def test_no_pixels_of_other_people_are_kept(record):
    """Grey levels along one line of each radiograph, and nothing of what its file says about people."""
    for entry in record["radiographs"]:
        assert len(entry.get("before", ())) <= 1000, entry["file"]
        assert len(entry.get("before", ())) == len(entry.get("after", ()))
        assert not re.search(r"Patient|Operator|Physician", json.dumps(entry))


def test_failures_come_first(record):
    text = figures.Figures(record)("real table")
    verdicts = [line.rsplit(" | ", 1)[-1] for line in text.strip().splitlines()[2:]]
    ranks = [("refused", "not judged", "not consistent").index(one) if one else 3 for one in map(_failure, verdicts)]
    assert ranks == sorted(ranks)
    assert len(verdicts) == len(record["radiographs"])


def _failure(verdict):
    return next((kind for kind in ("refused", "not judged", "not consistent") if verdict.startswith(kind)), "")


def test_records_name_no_folder_of_one_machine(record):
    assert not re.search(r"[\"' =](/|~|[A-Z]:\\)", json.dumps(record))


def test_a_figure_that_differs_is_found_and_filled_in(record):
    say = figures.Figures(record)
    mean = record["rows"]["random"]["physics-sde N=3"]["psnr_dB"][0]
    page = "It has <!-- fig psnr random physics-sde -->12.34<!-- /fig --> dB.\n"
    text, changed, failed = figures.filled(page, say)
    assert text == f"It has <!-- fig psnr random physics-sde -->{mean:.2f}<!-- /fig --> dB.\n"
    assert changed == [f"line 1, psnr random physics-sde: 12.34 -> {mean:.2f}"]
    assert not failed
    assert figures.filled(text, say)[1:] == ([], [])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("psrn random unet", "nothing is called 'psrn'"),
        ("psnr random unets", "no 'unets'"),
        ("psnr boards unet", "no 'boards'"),
        ("psnr random", "too few or too many words"),
        ("less random unet unet-wiener wit", "no 'wit'"),
    ],
)
def test_what_cannot_be_filled_in_is_left_and_named(record, words, says):
    page = f"<!-- fig {words} -->.12<!-- /fig -->"
    text, changed, failed = figures.filled(page, figures.Figures(record))
    assert (text, changed) == (page, [])
    assert says in failed[0]


def test_numbers_are_written_as_the_pages_write_them():
    assert figures.number(0.984, 3) == ".984"
    assert figures.number(-0.031, 2) == "-.03"
    assert figures.number(-0.001, 2) == ".00"
    assert figures.number(42.2, 2) == "42.20"
    assert figures.interval([0.14, 0.1, -0.186], 2) == ".14 [.10, -.19]"
    assert figures.interval([1.0, None, None], 2) == "1.00"


def test_the_gallery_shows_every_picture_once():
    sys.path.insert(0, str(ROOT / "docs" / "hooks"))
    try:
        from gallery import gallery_page
    finally:
        sys.path.pop(0)
    shown = re.findall(r"\((images/[^)]+)\)", gallery_page(ROOT / "docs"))
    assert sorted(shown) == sorted(f"images/{path.name}" for path in (ROOT / "docs" / "images").iterdir())
