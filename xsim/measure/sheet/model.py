"""The same sheet from the model of a detector, in closed form: nothing is drawn, nothing is random.

A real detector's sheet and the model's can so be laid side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xsim.curves import RadialCurve
from xsim.detector.response import DetectorResponse
from xsim.errors import InputError
from xsim.grids import half_plane_weights
from xsim.imaging.exposure import quantum_nnps_map
from xsim.imaging.projection import integrate, rule_for
from xsim.measure.resolution import WIRE_DIAMETERS_MM, DuplexWire, srb_from_dips
from xsim.measure.sheet.dose import DoseSNR, efficiency
from xsim.measure.sheet.lag import Lag
from xsim.measure.sheet.scatter import SCATTER_DISTANCE_MM, InternalScatter, scatter_from_mtf
from xsim.measure.sheet.sheet import Sheet
from xsim.measure.sheet.wedge import StepWedge, wedge_figures

__all__ = ["behind", "model_wedge", "sheet_of_model", "wire_profile"]

# Places of a profile across one pair: enough for a tenth of its wires, and far enough for the tails of light.
_PER_WIRE, _AROUND_MM = 40, 8.0
# Grid on which the noise power is averaged to the variance of a pixel.
_GRID = (128, 128)
# Doses at which the model is shot: 1 mGy lies between, so that nothing is extrapolated.
_DOSES_UGY = (250.0, 500.0, 1000.0, 2000.0)


def sheet_of_model(
    response: DetectorResponse,
    *,
    wedge: tuple[str, Sequence[float]] | None = None,
    wire_material: str = "W",
    distance_mm: float = SCATTER_DISTANCE_MM,
) -> Sheet:
    """Return the sheet of a detector in its beam.

    Parameters
    ----------
    response : DetectorResponse
        The detector; its kerma is that of the wedge's shot.
    wedge : (material, thicknesses_mm), optional
        A step wedge; without one contrast sensitivity and thickness range are not on the sheet.
    wire_material : str
        What the wires of the duplex gauge are made of (ISO 19232-5: tungsten the thick, platinum the thin).
    distance_mm : float
        Where the sharp part of an edge is over, for the internal scatter [mm].

    Notes
    -----
    The lag of the first frame is the sensor's correlation of successive frames, as it is where a share of the charge
    stays behind. Saturation is not in the SNR at 1 mGy. Bad pixels are individuals and have no closed form.
    """
    gauge = _gauge(response, wire_material)
    doses = tuple(DoseSNR(kerma, float("nan"), 1.0 / dosed(response, kerma).pixel_sigma, 0, 0) for kerma in _DOSES_UGY)
    isrb = None if np.isnan(gauge.isrb_mm) else gauge.isrb_mm
    lag = Lag((100.0 * response.sensor.lag,), float("nan"), np.zeros((1, 1)))
    return Sheet(
        response.pitch_mm,
        gauges=(gauge,),
        doses=doses,
        efficiency=efficiency(doses, isrb),
        wedge=None if wedge is None else model_wedge(response, *wedge),
        lag=lag,
        scatter=InternalScatter(scatter_from_mtf(response.otf, distance_mm=distance_mm), distance_mm),
    )


def dosed(response: DetectorResponse, kerma_uGy: float) -> DetectorResponse:
    """Return a detector at another air kerma [uGy]: signal and quantum noise follow it, the electronics do not."""
    factor = kerma_uGy / response.kerma_uGy
    quantum = RadialCurve(response.quantum_nnps.frequency_lp_mm, response.quantum_nnps.values / factor)
    return replace(
        response,
        kerma_uGy=kerma_uGy,
        signal_electrons=response.signal_electrons * factor,
        quantum_nnps=quantum,
        hits=response.hits and response.hits.times(factor),
    )


def behind(
    response: DetectorResponse, material: str, thickness_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return grey value and quantum noise power of a detector behind a material, in open-field units, each (n,)."""
    rule = rule_for([material], [response])
    grey, variance = integrate(np.asarray(thickness_mm, dtype=np.float32)[None, None, :], rule)[:, 0]
    return grey.astype(np.float64), variance.astype(np.float64)


def model_wedge(response: DetectorResponse, material: str, thickness_mm: Sequence[float]) -> StepWedge:
    """Return the figures of a step wedge of a material [mm] in front of a detector, at the detector's kerma.

    Raises
    ------
    InputError
        If there are fewer than three thicknesses.
    """
    thickness = np.unique(np.append(0.0, np.asarray(thickness_mm, dtype=np.float64)))
    if thickness.size < 4:
        raise InputError("thicknesses of the wedge: give three or more different ones above 0, in mm")
    grey, variance = behind(response, material, thickness)
    electrons = response.signal_electrons * grey
    quantum = quantum_nnps_map(response, _GRID) + response.hit_nnps_mm2
    weights = np.broadcast_to(half_plane_weights(_GRID), quantum.shape)
    power = float(np.average(quantum, weights=weights)) / response.pitch_mm**2
    relative = (electrons + response.sensor.electronic_variance_at(electrons)) / response.signal_electrons**2
    sigma = np.sqrt(power * variance + relative)
    full = response.sensor.full_well_e / response.signal_electrons
    return wedge_figures(thickness, grey, sigma, full_scale=full)


def wire_profile(response: DetectorResponse, diameter_mm: float, material: str = "W") -> NDArray[np.float64]:
    """Return attenuation across the blurred image of a pair of wires at its middle and at its highest place, (2,).

    Unlike `xsim.detector.performance.duplex_wire_dip` this holds for wires that let little through: it is the
    transmitted beam that is blurred, as the detector weighs its energies.
    """
    step = diameter_mm / _PER_WIRE
    x = (np.arange(2 ** int(np.ceil(np.log2(2 * _AROUND_MM / step)))) + 0.5) * step
    x -= x.size * step / 2
    # Means over a cell: the chord has an infinite slope at the wire's rim.
    fine = x[:, None] + step * (np.arange(8) + 0.5)[None] / 8 - step / 2
    radius = diameter_mm / 2
    chord = 2 * np.sqrt(np.maximum(radius**2 - (np.abs(fine) - 2 * radius) ** 2, 0.0))
    near = np.abs(x) < 2 * diameter_mm
    absorbed = np.zeros(x.size)
    absorbed[near] = (1.0 - behind(response, material, chord[near].ravel())[0].reshape(-1, 8)).mean(axis=1)
    frequency = np.fft.rfftfreq(x.size, step)
    seen = np.fft.irfft(np.fft.rfft(absorbed) * response.otf(frequency), x.size)
    middle = x.size // 2
    return np.array([float(np.mean(seen[middle - 1 : middle + 1])), float(seen[near].max())])


def _gauge(response: DetectorResponse, material: str) -> DuplexWire:
    """Return the dips of the gauge's pairs as a detector shows them, and SRb from them by the standard's rule."""
    dips = np.array(
        [1.0 - low / high for low, high in (wire_profile(response, d, material) for d in WIRE_DIAMETERS_MM)]
    )
    dips = np.clip(dips, 0.0, 1.0)
    merged = np.flatnonzero(dips <= 1e-6)
    last = int(merged[0]) + 1 if merged.size else dips.size
    diameter = np.array(WIRE_DIAMETERS_MM)[:last]
    srb, isrb = srb_from_dips(diameter, dips[:last])
    return DuplexWire(diameter, dips[:last], srb, isrb, np.zeros(0), np.zeros(0), np.zeros(0))
