"""Pairs seen by measured detectors: what is measured on them is what the detectors' file says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from xsim import Degradation, Detector, GreyLink, Screen, Sensor
from xsim.errors import InputError, MissingFileError
from xsim.files.toml import write_toml
from xsim.measure.edge import edge_mtf
from xsim.measure.noise import nnps
from xsim.phantoms import target
from xsim.spectrum import tungsten_spectrum
from xsim_cli.app import main
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import Recipe, load_recipe
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.verify import verify_store

if TYPE_CHECKING:
    from pathlib import Path

PITCH_MM = 0.05
KERMA_UGY = 20.0
FRAMES = 4
SIZE_PX = 128
FREQUENCY = np.linspace(0.0, 10.0, 81)
# Curves that no modelled screen has: Gaussian blur, and noise that falls with the frequency in its own way.
MTF = {"hr": np.exp(-((FREQUENCY / 6.0) ** 2)), "lr": np.exp(-((FREQUENCY / 2.5) ** 2))}
NNPS_MM2 = {"hr": 4e-6 / (1 + (FREQUENCY / 8.0) ** 2), "lr": 9e-6 / (1 + (FREQUENCY / 3.0) ** 2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration, an edge and a flat that fill the field, and a recipe that sees them with the calibration."""
    root = tmp_path_factory.mktemp("measured")
    screens = {"hr": Screen(40.0), "lr": Screen(150.0)}
    detectors = {
        side: Detector.from_measured(
            mtf=(FREQUENCY, MTF[side]),
            nnps=(FREQUENCY, NNPS_MM2[side]),
            kerma_uGy=KERMA_UGY,
            screen=screens[side],
            sensor=Sensor(pitch_mm=PITCH_MM),
        )
        for side in ("hr", "lr")
    }
    hr, lr = (detectors[side].response(tungsten_spectrum(), KERMA_UGY) for side in ("hr", "lr"))
    between = Degradation.between(hr, lr, FRAMES, GreyLink.identity())
    tables = {side: detector.to_dict() for side, detector in detectors.items()}
    write_toml(root / "D.toml", {**tables, "degradation": between.to_dict()})
    (root / "phantoms").mkdir()
    for name, more in (("edge", {"angle_deg": 3.0}), ("flat", {"material": "FR-4", "thickness_mm": 1e-6})):
        phantom = target(name, (2 * SIZE_PX, 2 * SIZE_PX), PITCH_MM / 2, **more)
        replace(phantom, family=name).save(root / "phantoms" / f"{name}.npz")
    (root / "seen.toml").write_text(
        f'name = "seen"\nsize_px = {SIZE_PX}\n[imaging]\ndetectors = "D.toml"\nkerma_uGy = {KERMA_UGY}\n'
        f'hr_frames = {FRAMES}\n[[boards]]\nkind = "phantoms"\npath = "phantoms"\n',
        encoding="utf-8",
    )
    return root


@pytest.fixture(scope="module")
def store(folder: Path) -> PairStore:
    main(["dataset", "make", str(folder / "seen.toml"), "-o", str(folder / "a.zarr"), "-n", "40"])
    return PairStore.open(folder / "a.zarr")


@pytest.mark.parametrize("side", ["hr", "lr"])
def test_edges_and_flats_give_the_measured_curves_back(store: PairStore, side: str) -> None:
    images = dict(zip(("hr", "lr"), store.read_batch(range(store.n)), strict=True))[side]
    design = store.table["design"]
    f = np.linspace(0.5, 6.0, 12)
    edge = edge_mtf(images[design == "edge"].mean(0), PITCH_MM, frequency_lp_mm=f)
    np.testing.assert_allclose(edge.mtf, np.interp(f, FREQUENCY, MTF[side]), atol=0.02)
    noise = nnps(list(images[design == "flat"]), PITCH_MM, mode="difference")
    seen = np.interp(f, noise.frequency_lp_mm, noise.nnps_mm2)
    expected = np.interp(f, FREQUENCY, NNPS_MM2[side]) / (FRAMES if side == "hr" else 1)
    np.testing.assert_allclose(seen, expected, rtol=0.15)
    # A few percent above one: the gain map is a mean of flats, and what is left of their noise stays in the images.
    assert 0.97 < np.mean(seen / expected) < 1.08


def test_the_store_holds_the_detectors_and_what_lies_between_them(store: PairStore, folder: Path) -> None:
    assert verify_store(store.path, full=True).ok
    assert store.pitch_mm == PITCH_MM
    imaging = store.attributes["plan"]["recipe"]["imaging"]
    assert (imaging["hr_mass_thickness_mg_cm2"], imaging["lr_mass_thickness_mg_cm2"]) == (40.0, 150.0)
    assert imaging["detectors"]["sha256"] == hashlib.sha256((folder / "D.toml").read_bytes()).hexdigest()
    between, f = store.degradation, np.linspace(0.0, 6.0, 13)
    ratio = np.interp(f, between.frequency_lp_mm, between.B_1)
    np.testing.assert_allclose(ratio, np.exp(-(f**2) * (1 / 2.5**2 - 1 / 6.0**2)), atol=0.01)
    settings = store.attributes["setups"][0]["settings"]
    np.testing.assert_allclose(settings["lr"]["measured"]["mtf"], MTF["lr"])


def test_a_recipe_is_whole_without_the_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "D.toml").write_bytes((folder / "D.toml").read_bytes())
    (tmp_path / "seen.toml").write_text((folder / "seen.toml").read_text(encoding="utf-8"), encoding="utf-8")
    recipe = load_recipe(str(tmp_path / "seen.toml"))
    (tmp_path / "D.toml").unlink()
    again = Recipe.model_validate(recipe.model_dump(mode="json"))
    assert again == recipe
    assert setup_of(again.imaging).lr.measured is not None
    with pytest.raises(MissingFileError, match=r"D\.toml"):
        load_recipe(str(tmp_path / "seen.toml"))


def test_the_option_replaces_the_recipes_screens_and_pitch(folder: Path) -> None:
    modelled, measured = load_recipe("paper"), load_recipe("paper", detectors=folder / "D.toml")
    assert modelled.hash() != measured.hash()
    assert measured.imaging.pitch_mm == PITCH_MM
    assert measured.imaging.kvp == modelled.imaging.kvp
    drawn = load_recipe("universal", detectors=folder / "D.toml").imaging.drawn(3, 1)
    assert drawn.pitch_mm == PITCH_MM
    assert setup_of(drawn).hr.measured is not None


@pytest.mark.parametrize("key", ["pitch_mm", "hr_mass_thickness_mg_cm2"])
def test_a_recipe_that_says_screens_twice_is_refused(folder: Path, tmp_path: Path, key: str) -> None:
    recipe = tmp_path / "twice.toml"
    recipe.write_text(f'name = "a"\n[imaging]\ndetectors = "{folder / "D.toml"}"\n{key} = 1.0\n', encoding="utf-8")
    with pytest.raises(InputError, match=f"bring their own {key}: leave it out"):
        load_recipe(str(recipe))


def test_simulate_sees_with_measured_detectors(folder: Path, tmp_path: Path) -> None:
    phantom = str(folder / "phantoms" / "edge.npz")
    main(["simulate", phantom, "--detectors", str(folder / "D.toml"), "--seed", "2", "-o", str(tmp_path / "pair")])
    index = json.loads((tmp_path / "pair" / "pair.json").read_text(encoding="utf-8"))
    assert index["pitch_mm"] == PITCH_MM
    np.testing.assert_allclose(index["settings"]["setup"]["hr"]["measured"]["mtf"], MTF["hr"])
    f = np.linspace(0.5, 3.0, 6)
    edge = edge_mtf(tifffile.imread(tmp_path / "pair" / index["lr"]), PITCH_MM, frequency_lp_mm=f)
    np.testing.assert_allclose(edge.mtf, np.interp(f, FREQUENCY, MTF["lr"]), atol=0.04)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "no such file"), ("a = [", "no TOML"), ("[hr.screen]\nx = 1\n", "D.toml: hr: detector:")],
)
def test_a_file_that_holds_no_detectors_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    path = tmp_path / "D.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    for words in (["dataset", "make", "tiny", "-o", str(tmp_path / "a.zarr")], ["simulate", "-o", str(tmp_path / "p")]):
        with pytest.raises(SystemExit) as end:
            main([*words, "--detectors", str(path)])
        lines = capsys.readouterr().err.splitlines()
        assert (end.value.code, len(lines)) == (2, 1)
        assert said in lines[0]
    assert set(tmp_path.iterdir()) <= {path}
