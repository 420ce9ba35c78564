"""Detectors of the simulator aRTist (``.aRTdet``): their numbers as those of a data sheet.

The format is that of BAM's published files: sections in square brackets, ``key=value``, comments after a semicolon.
``Resolution`` is twice the basic spatial resolution, as BAM's own module for CTSimU writes it; ``Characteristic`` takes
absorbed energy [J/m2] to grey values, ``Noise`` to the signal-to-noise ratio of a pixel, ``Sensitivity`` a photon's
energy [keV] to the chance that it interacts and the mean energy that it leaves [keV].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xsim.detector.performance import REFERENCE_SRB_MM, basic_spatial_resolution_mm
from xsim.detector.phosphors import PHOSPHORS
from xsim.errors import InputError, check_range
from xsim.files.documents import read_text
from xsim.files.plain import FileKind
from xsim.materials import mass_coefficient_mm2_g
from xsim.measure.one_detector.data_sheet import DataSheet
from xsim.spectrum import Spectrum
from xsim.units import mg_cm2_from_g_mm2

__all__ = ["ArtistDetector", "read_artdet"]

# The published ones have 0.1 MB.
_KIND = FileKind("a detector of aRTist (.aRTdet)", 2**24)
_SUFFIX = ".artdet"
# One keV in every mm2 [J/m2].
_J_M2_PER_KEV_MM2 = 1.602176634e-10
# Photon energies [keV] over which a screen is told from another, and how well a screen that is one fits.
_BAND_KEV = (20.0, 120.0)
_FITS = 0.02


@dataclass(frozen=True, eq=False)
class ArtistDetector:
    """What a file says.

    Parameters
    ----------
    name : str
        Its name.
    pitch_mm : float
        Pixel pitch [mm].
    shape : (H, W) or None
        Pixels, where the file says them.
    srb_mm : float or None
        Basic spatial resolution [mm], half of what the file calls resolution; None where it says none.
    characteristic, noise : (n, 2) arrays
        Absorbed energy [J/m2] with grey value, and with signal-to-noise ratio.
    sensitivity : (n, 3) array
        Photon energy [keV], chance of an interaction, mean energy that it leaves [keV]; empty for an ideal detector.
    target : float or None
        Grey value of the open field.
    remarks : tuple of str
        What was taken otherwise than it is written.
    """

    name: str
    pitch_mm: float
    shape: tuple[int, int] | None
    srb_mm: float | None
    characteristic: NDArray[np.float64]
    noise: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    target: float | None
    remarks: tuple[str, ...] = ()

    def snr(self) -> tuple[float, float] | None:
        """Return absorbed energy [J/m2] and signal-to-noise ratio of the open field; None where nothing says them."""
        if not (len(self.noise) and len(self.characteristic) >= 2 and self.target):
            return None
        energy, grey = self.characteristic.T
        order = np.argsort(grey)
        absorbed = float(np.interp(self.target, grey[order], energy[order]))
        if not self.noise[0, 0] <= absorbed <= self.noise[-1, 0]:
            return None
        return absorbed, float(np.interp(math.log(absorbed), np.log(self.noise[:, 0]), self.noise[:, 1]))

    def screen(self) -> tuple[str, float] | None:
        """Return phosphor and mass thickness [mg/cm2] that interact as the table says; None where none does.

        The chance of an interaction is ``1 - exp(-mu m)``: one m must do for all energies, edges included.
        """
        table = self.sensitivity
        inside = table[(table[:, 0] >= _BAND_KEV[0]) & (table[:, 0] <= _BAND_KEV[1])] if len(table) else table
        chance = inside[:, 1] if len(inside) >= 10 else np.ones(1)
        if not (chance.max() < 1.0 and chance.min() > 0.0):
            return None
        best: tuple[float, str, float] | None = None
        for name, known in PHOSPHORS.items():
            mu = mass_coefficient_mm2_g(known.material, inside[:, 0])
            # Least squares in the exponent, where m is linear.
            m = float(mu @ -np.log1p(-chance) / (mu @ mu))
            miss = float(np.abs(-np.expm1(-mu * m) - chance).max())
            if best is None or miss < best[0]:
                best = (miss, name, mg_cm2_from_g_mm2(m))
        return None if best is None or best[0] > _FITS else best[1:]

    def kerma_uGy(self, spectrum: Spectrum) -> float | None:
        """Return the air kerma [uGy] at which a beam leaves the open field's energy; None without a table."""
        found = self.snr()
        if found is None or not len(self.sensitivity):
            return None
        energy, chance, left = self.sensitivity.T
        deposit = np.interp(spectrum.energy_keV, energy, chance * left)
        return found[0] / (float(spectrum.fluence_per_mm2_uGy @ deposit) * _J_M2_PER_KEV_MM2)

    def sheet(self, spectrum: Spectrum, aperture_mm: float, kerma_uGy: float | None = None) -> DataSheet:
        """Return the data sheet of the detector in a beam.

        Parameters
        ----------
        spectrum : Spectrum
            The beam that the file was made for, which it does not say.
        aperture_mm : float
            Side of the photodiode [mm]: where the file says less blur than it has, its own is taken.
        kerma_uGy : float, optional
            Air kerma of the open field [uGy]; from the file's absorbed energy and the beam if not given.
        """
        # Just above: a data sheet refuses less than pixels without any screen would have.
        pixel_mm = 1.001 * basic_spatial_resolution_mm(lambda frequency: np.sinc(aperture_mm * frequency))
        srb_mm = max(self.srb_mm or 0.0, pixel_mm)
        found, screen = self.snr(), self.screen()
        return DataSheet(
            srb_mm=srb_mm,
            snrn=None if found is None else found[1] * REFERENCE_SRB_MM / srb_mm,
            kerma_uGy=self.kerma_uGy(spectrum) if kerma_uGy is None else kerma_uGy,
            mass_thickness_mg_cm2=None if screen is None else screen[1],
        )


def read_artdet(path: Path) -> ArtistDetector:
    """Read a detector of aRTist.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is none, naming the line or the key.
    """
    if path.suffix.lower() != _SUFFIX:
        raise InputError(f"{path}: is no detector of aRTist: its name ends in .aRTdet")
    sections = _sections(path)
    try:
        about = dict(sections.get("global", []))
        if "pixelsize" not in about:
            raise InputError(f"{path}: says no Pixelsize in [Global]: give a detector of aRTist")
        pitch_mm = check_range("Pixelsize", float(about["pixelsize"]), 1e-4, 10.0, "mm")
        if (unit := about.get("unitin", "J/m^2")) != "J/m^2":
            raise InputError(f"{path}: takes {unit}: xsim reads detectors that take J/m^2")
        blur = dict(sections.get("unsharpness", []))
        resolution_mm = check_range("Resolution", float(blur.get("resolution", 0.0)), 0.0, 10.0, "mm")
        remarks: tuple[str, ...] = ()
        if float(blur.get("lrunsharpness", 0.0)) and float(blur.get("lrratio", 0.0)):
            remarks = ("its long-range unsharpness is left out: give --glare to simulate, or [imaging.scatter]",)
        target = dict(sections.get("exposure", [])).get("targetvalue")
        return ArtistDetector(
            name=about.get("name", path.stem),
            pitch_mm=pitch_mm,
            shape=_shape(about.get("pixelcount", "")),
            srb_mm=0.5 * resolution_mm or None,
            characteristic=_table(sections, "characteristic", 2),
            noise=_table(sections, "noise", 2),
            sensitivity=_table(sections, "sensitivity", 3),
            target=None if target is None else float(target),
            remarks=remarks,
        )
    except ValueError as error:
        if isinstance(error, InputError):
            text = str(error)
            raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from None
        raise InputError(f"{path}: {error}: give a detector of aRTist") from None


def _sections(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Return the lines of each section as pairs, in their order; keys in lower case."""
    sections: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] | None = None
    for number, line in enumerate(read_text(path, _KIND).splitlines(), start=1):
        text = line.partition(";")[0].strip()
        if text.startswith("[") and text.endswith("]"):
            current = sections.setdefault(text[1:-1].strip().lower(), [])
        elif text:
            key, equals, value = text.partition("=")
            if current is None or not equals:
                raise InputError(f"{path}: line {number} is no key=value of a section: give a detector of aRTist")
            current.append((key.strip().lower(), value.strip()))
    return sections


def _table(sections: dict[str, list[tuple[str, str]]], name: str, columns: int) -> NDArray[np.float64]:
    """Return a section as numbers, by rising first column."""
    rows = [[float(key), *(float(word) for word in value.split())] for key, value in sections.get(name, [])]
    if any(len(row) != columns for row in rows):
        raise InputError(f"a line of [{name.capitalize()}] has not {columns} numbers")
    table = np.array(rows, dtype=float).reshape(-1, columns)
    if not np.isfinite(table).all():
        raise InputError(f"a number of [{name.capitalize()}] is not finite")
    return table[np.argsort(table[:, 0], kind="stable")]


def _shape(text: str) -> tuple[int, int] | None:
    words = text.split()
    return (int(words[1]), int(words[0])) if len(words) == 2 else None
