"""Every restorer that `xsim zoo list` names restores the demo's image by the program."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from tests.zoo.evaluation.boards import BoardMaker, board_store
from xsim_cli.app import main
from xsim_datasets.images import read_image
from xsim_zoo.restorers.registry import get, names
from xsim_zoo.weights.card import shipped

OPEN_FIELD = 50_000
"""What `xsim simulate` writes for the beam through air."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Return a folder with the LR image of the demo's board, smaller than the demo's."""
    root = tmp_path_factory.mktemp("demo")
    xsim("simulate", "--seed", 2026, "--size", 128, "--fast", "-o", root / "pair")
    (root / "in").mkdir()
    return (root / "pair" / "lr.tif").rename(root / "in" / "lr.tif").parent


def xsim(*words):
    try:
        main([str(word) for word in words])
    except SystemExit as left:
        if left.code:
            pytest.fail(f"xsim {words} left with {left.code}")


def sound(path):
    """Return whether an image holds finite greys that are those of a board in an open field."""
    image = tifffile.imread(path) / OPEN_FIELD
    return np.isfinite(image).all() and 0.1 < image.mean() < 1.1


def test_the_list_is_that_of_the_registry(capsys):
    xsim("zoo", "list", "--json")
    listed = json.loads(capsys.readouterr().out)["restorers"]
    assert [restorer["name"] for restorer in listed] == names()
    assert {weights["name"] for restorer in listed for weights in restorer["weights"]} == set(shipped())


@pytest.mark.parametrize("name", names())
def test_every_restorer_restores_a_file(name, demo, tmp_path, capsys):
    out = tmp_path / "out.tif"
    xsim("zoo", "run", name, demo / "lr.tif", "-o", out, "--open-field", OPEN_FIELD, "--json")
    (entry,) = json.loads(capsys.readouterr().out)["files"]
    assert sound(out)
    assert entry["consistency"]["verdict"]
    assert np.isfinite(entry["consistency"]["chi2"]).all()


@pytest.mark.parametrize("name", names())
def test_every_restorer_restores_a_folder(name, demo, tmp_path):
    samples = ("--samples", 2, "--steps", 2) if get(name).samples else ()
    xsim("zoo", "run", name, demo, "-o", tmp_path / "out", "--open-field", OPEN_FIELD, *samples)
    assert sound(tmp_path / "out" / "lr.tif")
    if samples:
        assert 0 < read_image(tmp_path / "out" / "lr_std.tif").pixels.mean() < 0.1 * OPEN_FIELD


def test_every_restorer_is_judged(tmp_path, capsys):
    store = tmp_path / "pairs.zarr"
    board_store(store, BoardMaker())
    probes = ("--quick", "-n", 1, "--sections", "power,chi2", "--resamples", 100, "--workers", 1, "--device", "cpu")
    xsim("zoo", "eval", *names(), "--data", store, *probes, "--json")
    judged = json.loads(capsys.readouterr().out)["restorers"]
    assert set(judged) == {"lr", *names()}
    assert all(np.isfinite(scores["psnr_dB"]["mean"]) for scores in judged.values())
