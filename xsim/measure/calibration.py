"""Calibration: two measured detectors and what lies between them, from edges and flats of each.

Smooth curves go through the measured spectra: sums of decreasing functions with weights of 0 or more, as light scatter,
apertures and electronics make them. Such a sum cannot ripple, so noise at high frequency averages out, where a spline
would follow it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from xsim.curves import quadratic_grid
from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.errors import InputError, XsimWarning
from xsim.files.documents import read_toml
from xsim.files.toml import write_toml
from xsim.grids import nyquist_lp_mm
from xsim.measure.edge import EdgeMTF, average_edges
from xsim.measure.noise import NNPS, nnps
from xsim.measure.wedge import shown_greys, unseen_ranges
from xsim.seeds import generator

if TYPE_CHECKING:
    from xsim.spectrum import Spectrum

__all__ = [
    "Calibration",
    "MeasuredDetector",
    "calibrate",
    "edge_caveats",
    "fit_mtf",
    "fit_nnps",
    "flat_caveats",
    "measure_detector",
    "read_calibration",
    "redrawn_edge",
    "redrawn_noise",
    "ring_weights",
    "write_calibration",
]

# Widths of the dictionary's curves: from far below the first frequency to far above the last.
_WIDTHS = 28
_WIDEST, _NARROWEST = 20.0, 0.01


def _dictionary(frequency: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Return decreasing curves that are 1 at f = 0, shape (n, 3 widths): Gaussian, exponential, algebraic tails."""
    width = limit * np.geomspace(_NARROWEST, _WIDEST, _WIDTHS)
    ratio = np.minimum(frequency[:, None] / width, 300.0)
    return np.concatenate([np.exp(-np.square(ratio)), 1.0 / np.cosh(ratio), 1.0 / (1.0 + ratio**2)], axis=1)


def fit_mtf(
    frequency_lp_mm: NDArray[np.float64],
    mtf: NDArray[np.float64],
    noise: NDArray[np.float64],
    at_lp_mm: NDArray[np.float64],
    *,
    aperture_mm: float = 0.0,
) -> NDArray[np.float64]:
    """Return a smooth MTF, 1 at f = 0, through a measured one.

    Parameters
    ----------
    frequency_lp_mm, mtf, noise : (n,) arrays
        The measured MTF and the root mean square of its noise.
    at_lp_mm : (m,) array
        Where the fit is wanted [lp/mm].
    aperture_mm : float
        Side of the photodiode [mm]; its ``sinc`` is not a mixture and is put in as known.

    Raises
    ------
    InputError
        If the table is shorter than four rows.
    """
    if frequency_lp_mm.size < 4:
        raise InputError(f"{frequency_lp_mm.size} frequencies are too few to fit an MTF: give four or more")
    limit = float(frequency_lp_mm[-1])
    # A modulus of noise is never below the noise: its excess is taken off before the fit.
    unbiased = np.sqrt(np.maximum(np.square(mtf) - np.square(noise), 0.0))
    weight = 1.0 / np.maximum(noise, 0.002)
    pixel = np.sinc(aperture_mm * frequency_lp_mm)
    rows = _dictionary(frequency_lp_mm, limit) * (pixel * weight)[:, None]
    # One heavy row holds the curve at 1 where f = 0.
    heavy = 100.0 * float(weight.max()) * np.sqrt(weight.size)
    rows = np.concatenate([rows, np.full((1, rows.shape[1]), heavy)])
    shares, _ = nnls(rows, np.append(unbiased * weight, heavy))
    return np.asarray((_dictionary(at_lp_mm, limit) @ shares) / shares.sum() * np.sinc(aperture_mm * at_lp_mm))


def fit_nnps(
    frequency_lp_mm: NDArray[np.float64],
    nnps_mm2: NDArray[np.float64],
    standard_error_mm2: NDArray[np.float64],
    at_lp_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return a smooth NNPS [mm2] at frequencies (m,) through a measured one (n,) with its standard errors.

    Its constant part stands for electronics and aliases.
    """
    limit = float(frequency_lp_mm[-1])
    weight = ring_weights(frequency_lp_mm, nnps_mm2, standard_error_mm2)

    def curves(f: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([_dictionary(f, limit), np.ones((f.size, 1))], axis=1)

    shares, _ = nnls(curves(frequency_lp_mm) * weight[:, None], nnps_mm2 * weight)
    return np.asarray(curves(at_lp_mm) @ shares)


def ring_weights(
    frequency_lp_mm: NDArray[np.float64], nnps_mm2: NDArray[np.float64], standard_error_mm2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weights of the rings of a noise spectrum in a fit [1/mm2]: one over the trend of their errors."""
    # Standard errors that follow the scatter of their own rings would favour the low ones: the trend counts.
    relative = float(np.median(standard_error_mm2 / nnps_mm2 * np.sqrt(frequency_lp_mm)))
    level = np.exp(np.polyval(np.polyfit(np.log(frequency_lp_mm), np.log(nnps_mm2), 3), np.log(frequency_lp_mm)))
    return np.asarray(np.sqrt(frequency_lp_mm) / (relative * level))


# Rows of the fitted tables, as many as a modelled detector has.
_ROWS = 96
# Draws of the measurements' noise, for the uncertainties of what follows from them.
_DRAWS = 24
# Fewer flats than this leave Sigma_1 uncertain at low frequency.
_FEW_FLATS = 10


@dataclass(frozen=True, eq=False)
class MeasuredDetector:
    """One detector as measured, and the smooth curves through the measurements.

    Parameters
    ----------
    mtf : EdgeMTF
        Mean over the edges.
    nnps : NNPS
        Of single frames, fixed pattern removed.
    frequency_lp_mm : (n,) array
        Where the smooth curves are tabulated [lp/mm], 0 to Nyquist.
    mtf_fit, nnps_fit_mm2 : (n,) arrays
        The smooth curves.
    detector : Detector
        The detector made of them.
    kerma_uGy : float
        Air kerma of one flat frame [uGy].
    """

    mtf: EdgeMTF
    nnps: NNPS
    frequency_lp_mm: NDArray[np.float64]
    mtf_fit: NDArray[np.float64]
    nnps_fit_mm2: NDArray[np.float64]
    detector: Detector
    kerma_uGy: float

    def redrawn(self, random: np.random.Generator) -> Detector:
        """Return the detector that another measurement of the same quality might have given."""
        edge, noise = redrawn_edge(self.mtf, random), redrawn_noise(self.nnps, random)
        return _fitted(edge, noise, self.kerma_uGy, self.detector.screen, self.detector.sensor).detector


def redrawn_edge(edge: EdgeMTF, random: np.random.Generator) -> EdgeMTF:
    """Return the MTF that another edge of the same quality might have given."""
    # Neighbouring frequencies of an edge share their noise; knots a few resolution widths apart do not.
    knots = random.normal(size=12)
    places = np.linspace(edge.frequency_lp_mm[0], edge.frequency_lp_mm[-1], knots.size)
    # The modulus feels one of the two components of the complex noise.
    wander = np.interp(edge.frequency_lp_mm, places, knots) * edge.noise / np.sqrt(2.0)
    return replace(edge, mtf=np.abs(edge.mtf + wander))


def redrawn_noise(noise: NNPS, random: np.random.Generator) -> NNPS:
    """Return the spectrum that other flats of the same number and size might have given."""
    scatter = noise.standard_error_mm2 * random.normal(size=noise.nnps_mm2.size)
    return replace(noise, nnps_mm2=np.maximum(noise.nnps_mm2 + scatter, 0.1 * noise.nnps_mm2))


@dataclass(frozen=True, eq=False)
class Calibration:
    """Two measured detectors and what lies between them.

    Parameters
    ----------
    hr, lr : MeasuredDetector
        The two detectors.
    degradation : Degradation
        B_1, Sigma_1 and the grey-level link, from means of ``hr_frames`` HR frames to single LR frames.
    B_1_sd, Sigma_1_sd_mm2 : (n,) arrays
        Standard deviations of the tables of ``degradation``, from the noise of the measurements.
    hr_frames : int
        Frames averaged in an HR image.
    warnings : tuple of str
        Caveats of the calibration.
    """

    hr: MeasuredDetector
    lr: MeasuredDetector
    degradation: Degradation
    B_1_sd: NDArray[np.float64]
    Sigma_1_sd_mm2: NDArray[np.float64]
    hr_frames: int
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as TOML types: tables ``hr``, ``lr``, ``degradation``, ``calibration``."""
        return {
            "hr": self.hr.detector.to_dict(),
            "lr": self.lr.detector.to_dict(),
            "degradation": self.degradation.to_dict(),
            "calibration": {
                "hr_frames": self.hr_frames,
                "B_1_sd": self.B_1_sd.tolist(),
                "Sigma_1_sd_mm2": self.Sigma_1_sd_mm2.tolist(),
                "hr_mtf_noise_floor": self.hr.mtf.noise_floor,
                "lr_mtf_noise_floor": self.lr.mtf.noise_floor,
                "hr_flats": self.hr.nnps.frames,
                "lr_flats": self.lr.nnps.frames,
                "warnings": list(self.warnings),
            },
        }


def measure_detector(
    edges: Sequence[EdgeMTF],
    flats: Sequence[ArrayLike],
    *,
    kerma_uGy: float,
    screen: Screen,
    sensor: Sensor,
    full_scale: float | None = None,
) -> MeasuredDetector:
    """Make a detector of its measured edges and flats.

    Parameters
    ----------
    edges : sequence of EdgeMTF
        Its slanted edges, measured at frequencies up to Nyquist.
    flats : sequence of (H, W) arrays
        At least two open-field frames, offset and gain corrected.
    kerma_uGy : float
        Air kerma of one flat frame [uGy].
    screen : Screen
        What the screen is, nominally; its energy response is used behind objects.
    sensor : Sensor
        Pixel pitch, fill factor, electronics.
    full_scale : float, optional
        The largest grey value of the flats' format.

    Raises
    ------
    InputError
        If an edge or a flat cannot be used.
    """
    mtf = average_edges(edges)
    if mtf.pitch_mm != sensor.pitch_mm:
        raise InputError(f"edges of pitch {mtf.pitch_mm:g} mm on a sensor of {sensor.pitch_mm:g} mm: give one pitch")
    noise = nnps(flats, sensor.pitch_mm, mode="difference", full_scale=full_scale)
    return _fitted(mtf, noise, kerma_uGy, screen, sensor)


def _fitted(edge: EdgeMTF, noise: NNPS, kerma_uGy: float, screen: Screen, sensor: Sensor) -> MeasuredDetector:
    """Draw the smooth curves through both measurements and make the detector of them."""
    frequency = quadratic_grid(nyquist_lp_mm(sensor.pitch_mm), _ROWS)
    mtf = fit_mtf(edge.frequency_lp_mm, edge.mtf, edge.noise, frequency, aperture_mm=sensor.aperture_mm)
    spectrum = fit_nnps(noise.frequency_lp_mm, noise.nnps_mm2, noise.standard_error_mm2, frequency)
    detector = Detector.from_measured(
        mtf=(frequency, mtf), nnps=(frequency, spectrum), kerma_uGy=kerma_uGy, screen=screen, sensor=sensor
    )
    return MeasuredDetector(edge, noise, frequency, mtf, spectrum, detector, kerma_uGy)


def calibrate(
    hr: MeasuredDetector,
    lr: MeasuredDetector,
    spectrum: Spectrum,
    *,
    hr_frames: int = 20,
    pairs: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]] = (),
    link: GreyLink | None = None,
    seed: int = 0,
) -> Calibration:
    """Find what lies between two measured detectors.

    Parameters
    ----------
    hr, lr : MeasuredDetector
        The sharp and the dose-efficient detector, of one pitch.
    spectrum : Spectrum
        The beam.
    hr_frames : int
        Frames averaged in an HR image.
    pairs : sequence of (hr, lr)
        Registered images of the same objects, or of a step wedge, open field = 1: they give the grey-level link,
        fitted through the blur.
    link : GreyLink, optional
        The link, if it is known. Without link and pairs it comes from the nominal screens' physics.
    seed : int
        Of the draws behind the uncertainties.

    Raises
    ------
    InputError
        If LR is sharper than HR (are they swapped?), or the pitches differ.
    """
    caveats = [
        f"{name} {text}"
        for name, one in (("HR", hr), ("LR", lr))
        for text in (*edge_caveats(one.mtf), *flat_caveats(one.nnps))
    ]
    kerma = lr.kerma_uGy
    if link is None and not pairs:
        caveats.append("grey-level link from the nominal screens, not measured: give registered pairs or a step wedge")
    else:
        # The first knot of a wedge's link is "no signal", which no step has shown.
        greys = shown_greys(sharp for sharp, _ in pairs) if link is None else link.hr_grey[1:]
        caveats += [
            f"grey-level link between {low:.2f} and {high:.2f} is a guess: nothing shown has such a grey: add "
            "finer steps or another object"
            for low, high in unseen_ranges(greys)
        ]

    def between(one: Detector, other: Detector, known: GreyLink | None) -> Degradation:
        return Degradation.between(
            one.response(spectrum, kerma), other.response(spectrum, kerma), hr_frames=hr_frames, link=known
        )

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", XsimWarning)
        if link is None and pairs:
            blur = between(hr.detector, lr.detector, GreyLink.identity())
            link = GreyLink.from_pairs(pairs, blur.B_1_map, blur.mtf_hr_map)
        degradation = between(hr.detector, lr.detector, link)
    caveats += [str(item.message) for item in said if issubclass(item.category, XsimWarning)]

    drawn: list[Degradation] = []
    random = generator(seed, stage="calibration")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XsimWarning)
        for _ in range(_DRAWS):
            # In some draws of very noisy edges LR is the sharper one, and there is no such degradation.
            with suppress(InputError):
                drawn.append(between(hr.redrawn(random), lr.redrawn(random), degradation.link))
    if len(drawn) < _DRAWS // 2:
        raise InputError("the two MTFs cannot be told apart within their noise: give longer edges or more of them")
    B_1_sd, Sigma_1_sd = (np.std([getattr(one, name) for one in drawn], axis=0) for name in ("B_1", "Sigma_1_mm2"))
    return Calibration(hr, lr, degradation, B_1_sd, Sigma_1_sd, hr_frames, tuple(dict.fromkeys(caveats)))


def edge_caveats(edge: EdgeMTF) -> list[str]:
    """Return what a user should know of an edge's MTF."""
    texts = [f"edge: {text}" for text in edge.warnings]
    if edge.noise_floor > 0.02:
        texts.append(f"edge: noise of {edge.noise_floor:.3f} in the MTF: average frames or give more edges")
    return texts


def flat_caveats(noise: NNPS) -> list[str]:
    """Return what a user should know of the noise of flats."""
    texts = [f"flats: {text}" for text in noise.warnings]
    if noise.frames < _FEW_FLATS:
        texts.append(f"flats: {noise.frames} are few: give {_FEW_FLATS} or more")
    return texts


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as a TOML file that `read_calibration` and `xsim.detector.detector` read."""
    write_toml(path, calibration.to_dict())


def read_calibration(path: Path) -> tuple[Detector, Detector, Degradation]:
    """Return the HR detector, the LR detector and the degradation of a calibration file.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is not a calibration.
    """
    tables = read_toml(path)
    missing = {"hr", "lr", "degradation"} - set(tables)
    if missing:
        raise InputError(f"{path}: the table [{sorted(missing)[0]}] is missing: give a file of xsim calibrate")
    try:
        hr, lr = (Detector.from_dict(tables[name]) for name in ("hr", "lr"))
        return hr, lr, Degradation.from_dict(tables["degradation"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
