"""What is lost where a detector is calibrated from a few shots or numbers, in place of its true tables [dB]."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import xsim_zoo
from xsim import phantoms, recipes
from xsim.degradation.known import KnownDetector
from xsim.degradation.known_file import known_detector
from xsim.degradation.target import Target, of_screen
from xsim.detector.detector import Detector, Sensor
from xsim.detector.performance import performance
from xsim.imaging.pair import simulate_pair
from xsim.imaging.setup import PairSetup
from xsim.measure.edge import edge_mtf
from xsim.measure.one_detector.data_sheet import DataSheet
from xsim.measure.one_detector.make import make_detector
from xsim.measure.similarity import psnr_dB
from xsim.spectrum import tungsten_spectrum

sys.path.insert(0, str(Path(__file__).parents[2] / "xsim" / "measure" / "one_detector"))
import csi_panel as made

no_link = pytest.mark.filterwarnings("ignore:these weights have no grey-level link:xsim.errors.XsimWarning")

INNER = (slice(24, -24),) * 2


def told(restorer: xsim_zoo.Restorer, known: KnownDetector, target: Target) -> xsim_zoo.Restorer:
    """Return a restorer that is told one detector: its own prior, pixel by pixel, and the target."""
    own, pitch = restorer.physics.spectrum, known.table_pitch_mm
    ratio = restorer.physics.pitch_mm / pitch
    prior = replace(own, frequency_lp_mm=own.frequency_lp_mm * ratio, S_mm2=own.S_mm2 / ratio**2)
    return restorer.with_physics(xsim_zoo.Physics(known.degradation(target), prior.fixed(), True))


def score(restorer: xsim_zoo.Restorer, known: KnownDetector, target: Target, y: np.ndarray, sharp: np.ndarray) -> float:
    restored = told(restorer, known, target).restore_array(y, pitch_mm=known.pitch_mm)
    return psnr_dB(np.asarray(restored, dtype=float)[INNER], sharp[INNER])


def restorer_of(name: str) -> xsim_zoo.Restorer:
    return xsim_zoo.load(name, weights="universal") if name == "physics-sde" else xsim_zoo.load(name)


def aimed_at(target: Target, setup: PairSetup) -> Detector:
    """Return a detector of the target's sharpness that answers to energy as LR does and is next to noiseless."""
    f = np.linspace(0.0, 0.5, 129)
    return Detector.from_measured(
        mtf=(f / setup.pitch_mm, target.mtf_at(f)),
        nnps=(f / setup.pitch_mm, np.full(f.size, 1e-13)),
        kerma_uGy=setup.kerma_uGy,
        screen=setup.lr.screen,
        sensor=replace(setup.lr.sensor, flat_frames=0, full_well_e=1e12, adc_bits=32),
        signal_electrons=1e11,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wiener", "physics-sde"])
@no_link
def test_one_plate_and_five_flats_lose_less_than_02_dB(name):
    """A panel like CsI on .139 mm, of which the project's models know nothing, and objects that are no boards."""
    rng = np.random.default_rng(5)
    edge, flats = edge_mtf(made.plate(rng), made.PITCH_MM), made.flats(rng)
    sensor = Sensor(pitch_mm=made.PITCH_MM)
    found = make_detector(edges=[edge], flats=flats, sensor=sensor, spectrum=tungsten_spectrum(), phosphor="CsI")
    target, restorer = of_screen(28.0, 0.08), restorer_of(name)
    losses, gains = [], []
    for seed in range(3000, 3006):
        y, sharp = made.scene(seed, target)
        true, mine = (score(restorer, known, target, y, sharp) for known in (made.truth(), found.known))
        losses.append(true - mine)
        gains.append(true - psnr_dB(y[INNER], sharp[INNER]))
    assert np.min(gains) > 0, gains
    assert np.mean(losses) < 0.2, losses
    assert max(losses) < 0.4, losses


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wiener", "physics-sde"])
@no_link
def test_a_data_sheet_loses_less_than_1_dB(name):
    """The paper's LR screen, of which SRb and SNRn are told as `xsim detector` prints them."""
    setup = recipes.paper()
    sheet = performance(setup.lr_response, [1.0])
    numbers = DataSheet(srb_mm=round(sheet.srb_mm, 3), snrn=round(sheet.snrn), kerma_uGy=setup.kerma_uGy)
    found = make_detector(sheet=numbers, sensor=Sensor(pitch_mm=setup.pitch_mm), spectrum=setup.spectrum)
    target, restorer = of_screen(28.0, 0.08), restorer_of(name)
    truth = known_detector(setup.lr, setup.spectrum)
    losses, gains = [], []
    setup = replace(setup, hr=aimed_at(target, setup))
    for seed in range(4):
        pair = simulate_pair(phantoms.random_board(seed=900 + seed, shape=(384, 384)), setup, seed=seed)
        y, sharp = pair.lr.astype(float), pair.hr.astype(float)
        true, mine = (score(restorer, known, target, y, sharp) for known in (truth, found.known))
        losses.append(true - mine)
        gains.append(true - psnr_dB(y[INNER], sharp[INNER]))
    assert max(losses) <= 1.0, losses
