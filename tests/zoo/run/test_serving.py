"""Which weights serve: those of one pair where that is what they have learned, else those that have learned many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import xsim_zoo
from xsim.degradation.degradation import Degradation
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.errors import InputError
from xsim.recipes import paper
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.run.serving import serving
from xsim_zoo.run.settings import RunSettings

ANY = RunSettings(detectors="image")


def load(name: str) -> Restorer:
    return xsim_zoo.load(name, device="cpu")


def changed(what: str) -> Degradation:
    own = load("physics-sde").physics.degradation
    if what == "a calibration of the same":
        return replace(
            own, Sigma_1_mm2=own.Sigma_1_mm2 * 1.2, B_1=own.B_1 * (1 - 0.02 * np.minimum(own.frequency_lp_mm, 1))
        )
    if what == "half the dose":
        return replace(own, Sigma_1_mm2=own.Sigma_1_mm2 * 2)
    if what == "another screen":
        return replace(paper(), lr=Detector(Screen(220.0), Sensor())).degradation()
    return replace(own, pitch_mm=0.1)


@pytest.mark.parametrize("what", ["half the dose", "another screen", "another pitch"])
def test_other_detectors_are_for_weights_that_have_learned_many(what: str) -> None:
    taken, said = serving(load("physics-sde"), ANY, changed(what))
    assert taken.many_detectors
    assert len(said) == 1
    assert "'universal' taken" in said[0]


def test_detectors_that_were_learned_keep_their_weights() -> None:
    for between in (load("physics-sde").physics.degradation, changed("a calibration of the same")):
        restorer = load("physics-sde")
        assert serving(restorer, ANY, between) == (restorer, ())


def test_samples_are_drawn_by_weights_that_serve_any_number_of_steps() -> None:
    samples = RunSettings(detectors="image", samples=4)
    taken, said = serving(load("physics-sde"), samples, changed("another screen"))
    assert taken.many_detectors
    assert taken.trained_steps is None  # type: ignore[attr-defined]
    assert "'universal-samples' taken" in said[0]


def test_weights_that_somebody_chose_stay() -> None:
    restorer = load("physics-sde")
    chosen = RunSettings(detectors="image", hand_over=False)
    assert serving(restorer, chosen, changed("another screen")) == (restorer, ())
    assert "used all the same" in serving(restorer, chosen, changed("another pitch"))[1][0]


def test_where_none_have_learned_many_those_of_the_same_pitch_are_told_and_others_refused() -> None:
    restorer = load("unet-wiener")
    assert serving(restorer, ANY, changed("another screen")) == (restorer, ())
    with pytest.raises(InputError, match="none of 'unet-wiener' have learned many"):
        serving(restorer, ANY, changed("another pitch"))
    with pytest.raises(InputError, match="has learned one blur"):
        serving(load("unet"), ANY, changed("another screen"))
    wiener = load("wiener")
    assert serving(wiener, ANY, changed("another pitch")) == (wiener, ())
