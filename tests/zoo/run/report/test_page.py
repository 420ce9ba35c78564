"""The page of a radiograph: the files' own pixels, every fact of the run, and nothing that reaches out or runs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.zoo.run.report.conftest import DESCRIPTION, HOSTILE, SETTINGS, write_lr
from xsim_datasets.images import Radiograph, read_image
from xsim_zoo.run.files import FileRestorer
from xsim_zoo.run.jobs import FileJob, read_record
from xsim_zoo.run.report.content import file_says
from xsim_zoo.run.report.page import html
from xsim_zoo.run.restore import restore


class Parsed(HTMLParser):
    """What a page holds: its texts, attributes, and the contents of scripts by their id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self._open: tuple[str, str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.attributes += [(tag, key, value) for key, value in found.items()]
        if tag in {"script", "style"}:
            self._open = (tag, found.get("type", ""), found.get("id", ""))
            self.scripts.append((*self._open[:2], ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is None:
            self.texts.append(data)
        else:
            self.scripts[-1] = (*self.scripts[-1][:2], self.scripts[-1][2] + data)


def scripts_by_id(text: str) -> dict[str, str]:
    return dict(re.findall(r'<script type="[^"]*" id="([^"]*)">([^<]*)</script>', text))


def shown(text: str, view: int, name: str) -> np.ndarray:
    """Return the grey levels of a view, decoded from the page."""
    held = scripts_by_id(text)
    about = json.loads(held["numbers"])["views"][view]["images"][name]
    data = zlib.decompress(base64.b64decode(held[f"plane-{about['key']}"]))
    planes = np.frombuffer(data, np.uint8).reshape(2, about["height"], about["width"]).astype(np.int64)
    return about["offset"] + about["step"] * (np.cumsum(planes[0] * 256 + planes[1], axis=1) % 65536)


def test_the_page_holds_the_files_own_grey_levels(made: Any, grey: Any) -> None:
    text = made.page.read_text(encoding="utf-8")
    np.testing.assert_array_equal(shown(text, 0, "before"), grey.before)
    np.testing.assert_array_equal(shown(text, 0, "after"), grey.after)
    assert len(json.loads(scripts_by_id(text)["numbers"])["views"]) == 1


def test_nothing_is_loaded_and_only_our_scripts_run(made: Any) -> None:
    text = made.page.read_text(encoding="utf-8")
    page = Parsed(text)
    addresses = [value for _, key, value in page.attributes if key in {"src", "href", "action", "srcset", "data"}]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    policy = next(value for _, key, value in page.attributes if key == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    run = [body for tag, kind, body in page.scripts if tag == "script" and not kind]
    styles = [body for tag, _, body in page.scripts if tag == "style"]
    assert len(run) == 4
    assert len(styles) == 2
    for body in (*run, *styles):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "eval(" not in "".join(run)
    assert "innerHTML" not in "".join(run)
    assert not [value for _, key, value in page.attributes if key.startswith("on")]


def test_what_files_say_is_text(made: Any) -> None:
    page = Parsed(made.page.read_text(encoding="utf-8"))
    texts = "\n".join(page.texts)
    assert HOSTILE in texts
    assert DESCRIPTION in texts
    assert not [tag for tag, key, value in page.attributes if (tag, key, value) == ("img", "src", "x")]


def test_texts_of_files_are_short_and_hide_nothing() -> None:
    # A sign that turns the direction of what follows, a NUL, and more than anybody reads.
    for given, wanted in (("a\u202egnp.exe", "a gnp.exe"), ("a\0b", "a b"), (b"caf\xe9", "caf\ufffd")):
        source = Radiograph(np.zeros((2, 2)), "tiff", header={"tags": [(270, 2, 1, given)]})
        assert file_says(source) == (("description", wanted),)
    long = Radiograph(np.zeros((2, 2)), "tiff", header={"tags": [(270, 2, 1, "x" * 10_000)]})
    assert len(file_says(long)[0][1]) < 2100
    assert file_says(Radiograph(np.zeros((2, 2)), "png", header={"tags": "?"})) == ()


def test_the_page_says_how_it_was_made(made: Any) -> None:
    texts = "\n".join(Parsed(made.page.read_text(encoding="utf-8")).texts)
    record = made.record
    for digest in (record["input_sha256"], record["output_sha256"], record["identity"]["weights"]):
        assert digest in texts
    assert hashlib.sha256(made.job.output.read_bytes()).hexdigest() in texts
    assert record["entry"]["consistency"]["verdict"] in texts
    for note in record["entry"]["notes"]:
        assert note in texts
    for value in ("wiener", record["version"], "0.048 mm", "50000"):
        assert value in texts
    checked = float(np.mean(np.isfinite(made.result.consistency.map)))
    assert f"{checked:.0%} of the image" in texts
    # Where the files lie says nothing to who reads the page.
    assert str(made.job.input.parent) not in texts


def test_places_and_spread_are_in_the_page(suspicious: Any) -> None:
    text = suspicious.page.read_text(encoding="utf-8")
    texts = "\n".join(Parsed(text).texts)
    assert "not consistent at y 84, x 76" in texts
    numbers = json.loads(scripts_by_id(text)["numbers"])
    assert [(place["y"], place["x"]) for place in numbers["places"]] == [(84, 76), (90, 70)]
    wanted = suspicious.result.std * 50_000
    assert np.abs(shown(text, 0, "spread") - wanted).max() <= 0.51 * wanted.max() / 1023


def test_a_large_image_is_reduced_in_the_page_alone(wiener: Any, tmp_path: Any) -> None:
    job = FileJob(write_lr(tmp_path / "lr.tif", shape=(300, 260)), tmp_path / "out.tif")
    FileRestorer(wiener, SETTINGS, report=True)(job)
    result = restore(wiener, job.input, SETTINGS)
    text = html(result, read_record(job.record), most_px=100 * 100)
    assert "the mean of 3 x 3 (0.11 of the pixels)" in text
    before, after = (read_image(path).pixels for path in (job.input, job.output))
    assert after.shape == (300, 260)
    found = shown(text, 0, "before")
    assert found.shape == (100, 87)
    wanted = before[3:6, 6:9].mean()
    assert found[1, 2] == pytest.approx(wanted, abs=1.0)
    # One part is there pixel by pixel; this image is smaller than it.
    np.testing.assert_array_equal(shown(text, 1, "after"), after)
    assert len(html(result, read_record(job.record))) > len(text) / 3


@pytest.mark.parametrize("kind", ["float", "white at zero", "pages"])
def test_other_kinds_of_files_have_pages(wiener: Any, tmp_path: Any, kind: str) -> None:
    source = write_lr(tmp_path / "lr.tif", shape=(96, 80))
    grey = tifffile.imread(source)
    more = {"photometric": "minisblack", "metadata": None}
    if kind == "float":
        grey = grey.astype(np.float32) / 50_000
    elif kind == "white at zero":
        grey, more = 65535 - grey, {"photometric": "miniswhite", "metadata": None}
    else:
        grey = np.stack([grey, grey[::-1]])
    tifffile.imwrite(source, grey, **more)
    job = FileJob(source, tmp_path / "out.tif")
    open_field = {"float": 1.0, "white at zero": 15_535.0, "pages": 50_000.0}[kind]
    FileRestorer(wiener, replace(SETTINGS, open_field=open_field), report=True)(job)
    text = job.report.read_text(encoding="utf-8")
    first = grey if grey.ndim == 2 else grey[0]
    tolerance = 2e-5 if kind == "float" else 0
    assert np.abs(shown(text, 0, "before") - first).max() <= tolerance
    black, white = json.loads(scripts_by_id(text)["numbers"])["window"]
    assert (black > white) == (kind == "white at zero")
    assert ("The file has 2 pages" in text) == (kind == "pages")
    assert ("the first is shown" in text) == (kind == "pages")
