"""Sensors: lag, and the maps of gain, structure and defects."""

from __future__ import annotations

import numpy as np
import pytest

from tests.xsim.detectors import KERMA_UGY, PAPER
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.errors import PhysicsRangeError


def test_lag_makes_averaging_weaker() -> None:
    steady, lagging = Sensor(), Sensor(lag=0.3)
    assert steady.frame_average(20) == pytest.approx(1 / 20)
    assert lagging.frame_average(20) > steady.frame_average(20)
    # The sum over frame pairs, written out.
    k = np.arange(20)
    pairs = 0.3 ** np.abs(k[:, None] - k[None, :])
    assert lagging.frame_average(20) == pytest.approx(pairs.mean(), rel=1e-12)


def test_maps_of_a_sensor_are_its_own_and_have_the_stated_spread() -> None:
    sensor = Sensor(gain_sd=0.02, structure_sd=0.003, defect_fraction=0.01)
    gain = sensor.gain_map((400, 300), seed=3)
    assert gain.dtype == np.float32
    assert gain.mean() == pytest.approx(1.0, abs=4 * 0.02 / np.sqrt(120_000))
    assert gain.std() == pytest.approx(0.02, rel=0.01)
    assert sensor.structure_map((400, 300), 3).std() == pytest.approx(0.003, rel=0.01)
    defects = sensor.defect_map((400, 300), 3)
    assert defects.mean() == pytest.approx(0.01, abs=4 * np.sqrt(0.01 / 120_000))
    np.testing.assert_array_equal(gain, sensor.gain_map((400, 300), seed=3))
    assert not np.array_equal(gain, sensor.gain_map((400, 300), seed=4))


@pytest.mark.parametrize(
    ("name", "value"),
    [("pitch_mm", 0.0), ("pitch_mm", -1.0), ("pitch_mm", float("nan")), ("pitch_mm", 1e9), ("fill_factor", 1.5),
     ("adc_bits", 12.5), ("lag", 1.0), ("full_well_e", 5.0), ("read_noise_e", -1.0), ("flat_frames", -1)],
)  # fmt: skip
def test_impossible_sensors_are_refused(name: str, value: float) -> None:
    with pytest.raises(PhysicsRangeError, match=name):
        Sensor(**{name: value})  # type: ignore[arg-type]


def test_the_full_well_grows_with_the_area_of_the_pixel_unless_it_is_told() -> None:
    assert Sensor().full_well_e == 2.2e6
    assert Sensor(pitch_mm=0.096).full_well_e == pytest.approx(4 * 2.2e6)
    assert Sensor(pitch_mm=0.096, full_well_e=1e6).full_well_e == 1e6
    # So the same dose fills the same share of a small pixel and of a large one.
    shares = [
        Detector(Screen(134.55), Sensor(pitch_mm=pitch_mm)).response(PAPER, KERMA_UGY)
        for pitch_mm in (0.02, 0.048, 0.139, 0.4)
    ]
    filled = [one.signal_electrons / one.sensor.full_well_e for one in shares]
    np.testing.assert_allclose(filled, filled[1], rtol=1e-6)
    assert filled[1] < 0.5
    detector = Detector(Screen(50.0), Sensor(pitch_mm=0.139))
    assert Detector.from_dict(detector.to_dict()) == detector
