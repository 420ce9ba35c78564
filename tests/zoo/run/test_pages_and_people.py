"""`xsim zoo run` on files of many pages, and on files that say something about people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.datasets.images.test_people import SECRET
from xsim_cli.app import main
from xsim_datasets.images import read_image
from xsim_zoo.run.files import _about_people

RNG = np.random.default_rng(5)
PAGES = (30000 + 8000 * np.sin(np.arange(96) / 9) + RNG.normal(0, 200, (3, 96, 96))).astype(np.uint16)
OPTIONS = ["--detectors", "weights", "--pitch-mm", "0.048", "--open-field", "60000", "--polarity", "metal-dark"]


def pages_file(path: Path, count: int) -> Path:
    with tifffile.TiffWriter(path) as file:
        for k in range(count):
            page = PAGES[k % 3] if count < 10 else PAGES[k % 3, :8, :8]
            file.write(page, metadata=None, contiguous=False, extratags=[(315, 2, 0, SECRET, True)])
    return path


def run(*words: object) -> int:
    try:
        main([str(word) for word in ("zoo", "run", "wiener", *words, *OPTIONS)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_one_page_of_many_is_restored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = pages_file(tmp_path / "a.tif", 3)
    assert run(file, "-o", tmp_path / "b.tif", "--page", "2", "--json", "--anonymise") == 0
    entry = json.loads(capsys.readouterr().out)["files"][0]
    assert entry["pages"] == 1
    restored = read_image(tmp_path / "b.tif").pixels.astype(float)
    # The pages differ in their noise alone, of which the restoration keeps its own.
    assert int(np.argmax([np.corrcoef(restored.ravel(), page.ravel())[0, 1] for page in PAGES])) == 1
    assert any("left out what the file says about people" in note for note in entry["notes"])
    for name in ("b.tif", "b.tif.json"):
        assert SECRET.encode() not in (tmp_path / name).read_bytes()
    capsys.readouterr()
    assert run(file, "-o", tmp_path / "d.tif", "--page", "4") == 2
    assert "has 3 page(s): give --page 1 to 3" in capsys.readouterr().err


def test_thousands_of_pages_are_refused_before_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = pages_file(tmp_path / "a.tif", 300)
    assert run(file, "-o", tmp_path / "b.tif") == 2
    assert "holds 300 pages" in capsys.readouterr().err
    assert not (tmp_path / "b.tif").exists()


def test_what_is_handed_on_about_people_is_said(tmp_path: Path) -> None:
    source = read_image(pages_file(tmp_path / "a.tif", 1))
    (note,) = set(_about_people(source, anonymise=False).notes) - set(source.notes)
    assert "(Artist)" in note
    assert "--anonymise" in note
    assert SECRET not in note
