"""From a detector's files to one linear image: frames averaged, dark and flat corrected, defective pixels filled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from xsim.errors import InputError, MissingFileError
from xsim.keywords import names_keywords
from xsim_datasets.images import Polarity, Radiograph, exposure_of_log, find_open_field, read_image, scale_of, suffixes
from xsim_datasets.images.tiff import invert
from xsim_datasets.real.repair import repaired

__all__ = ["FlatField", "as_stored", "frame_files", "image_files", "mean_of"]

# A pixel whose flat signal is less than half or more than twice the median of its 5 x 5 neighbours gives no usable
# image: sound pixels differ by some per cent.
_DEAD, _HOT = 0.5, 2.0
_NEIGHBOURS_PX = 5
# More pixels without any signal are no defects: the beam did not reach them.
_MOST_DEAD = 0.05
_ALL = slice(None)


@names_keywords
@dataclass(frozen=True)
class FlatField:
    """What turns the files of one detector into linear images.

    Attributes
    ----------
    dark, flat : (H, W) arrays or None
        Mean of frames without beam, and of frames without object.
    polarity : str or None
        ``"metal-dark"`` or ``"metal-bright"``; what the files say, or else metal dark, if not given. A detector
        with flats has metal dark.
    open_field : float or None
        Grey level of the open field where there are no flats; estimated in each image if not given.
    scale : str
        Whether grey levels follow the exposure, ``"linear"``, or its logarithm, ``"log"``; flats are linear.
    log_factor : float or None
        Grey levels of a logarithmic file for a change of the exposure by the factor e.
    """

    dark: NDArray[np.floating] | None = None
    flat: NDArray[np.floating] | None = None
    polarity: Polarity | None = None
    open_field: float | None = None
    scale: Literal["linear", "log"] = "linear"
    log_factor: float | None = None

    def __post_init__(self) -> None:
        if self.flat is not None and self.polarity == "metal-bright":
            raise InputError("flats are raw data, and raw data have metal dark: give no --polarity")
        if self.flat is not None and self.scale == "log":
            raise InputError("flats are raw data, and raw data are linear: give no --scale log")
        if self.scale == "log" and self.log_factor is None:
            raise InputError("--scale log was given alone: give --log-factor, grey levels per factor e of the exposure")
        if self.scale == "linear" and self.log_factor is not None:
            raise InputError("--log-factor was given for a linear scale: give --scale log as well")
        if self.log_factor is not None and not (np.isfinite(self.log_factor) and self.log_factor > 0):
            raise InputError(f"log factor {self.log_factor:g}: give a number above 0; --polarity turns the sign")
        if self.dark is not None and self.flat is None:
            raise InputError("darks were given without flats: give both")
        if self.flat is None:
            return
        gain = self._gain()
        if not float(np.median(gain)) > 0:
            raise InputError("the flats are no brighter than the darks: check which is which")
        if (share := float(np.mean(gain <= 0))) > _MOST_DEAD:
            raise InputError(f"the flats have no signal in {share:.1%} of their pixels: expose all of the detector")

    @classmethod
    def of_folders(
        cls,
        dark: Path | None,
        flat: Path | None,
        *,
        polarity: Polarity | None = None,
        open_field: float | None = None,
        scale: Literal["linear", "log"] = "linear",
        log_factor: float | None = None,
    ) -> FlatField:
        """Return the correction whose darks and flats are the frames in two folders, or two files.

        Raises
        ------
        MissingFileError, InputError
            If one does not exist or holds no images, or they cannot be used.
        """
        frames = [
            None if path is None else mean_of(frame_files(path), uniform=True, as_signal=True) for path in (dark, flat)
        ]
        return cls(frames[0], frames[1], polarity, open_field, scale, log_factor)

    def image(self, files: Sequence[Path]) -> NDArray[np.float32]:
        """Return the linear image, open field 1.0, of the frames in files.

        Raises
        ------
        InputError
            If the frames differ in shape from one another or from the flats, or the files say another scale.
        """
        first = read_image(files[0], pages=True, log=self.scale == "log")
        if self.flat is not None:
            first = as_stored(first)
        polarity = self.polarity or first.polarity or "metal-dark"
        if self.scale == "log":
            return self._from_log(files, first, polarity)
        grey = mean_of(files, as_signal=self.flat is not None)
        if self.flat is None:
            return scale_of(grey, first.white, polarity=polarity, open_field=self.open_field).linear(grey)
        if polarity == "metal-bright":
            raise InputError(f"{files[0]}: says that metal is bright: flats need raw data, whose metal is dark")
        if grey.shape != self.flat.shape:
            raise InputError(f"{files[0]}: is {grey.shape}, the flats are {self.flat.shape}: give frames of one size")
        return repaired(self.applied(grey), self.defective).astype(np.float32)

    def applied(self, grey: NDArray[Any], rows: slice = _ALL) -> NDArray[np.float64]:
        """Return rows of a frame (H, W) as a linear image, open field 1.0; where pixels are defective it is 0."""
        assert self.flat is not None
        dark = 0.0 if self.dark is None else self.dark[rows]
        defective = self.defective[rows]
        return np.where(defective, 0.0, (grey[rows] - dark) / np.where(defective, 1.0, self.flat[rows] - dark))

    def _from_log(self, files: Sequence[Path], first: Radiograph, polarity: Polarity) -> NDArray[np.float32]:
        """Return the linear image of logarithmic frames: their exposures are averaged, not their logarithms."""
        assert self.log_factor is not None
        if first.intensity == "linear":
            raise InputError(f"{files[0]}: says that its pixels are linear: give no --scale log")
        # Without the level of air the brightest exposure of the first frame stands for it until the end.
        brightest = float(first.pixels.min() if polarity == "metal-bright" else first.pixels.max())
        air = brightest if self.open_field is None else self.open_field
        signal = mean_of(files, partial(exposure_of_log, log_factor=self.log_factor, air=air, polarity=polarity))
        return (signal / (find_open_field(signal)[0] if self.open_field is None else 1.0)).astype(np.float32)

    @cached_property
    def defective(self) -> NDArray[np.bool_]:
        """Pixels that the flats show to give no usable signal, (H, W)."""
        gain = self._gain()
        usual = median_filter(gain, _NEIGHBOURS_PX)
        return np.asarray(~((gain > _DEAD * usual) & (gain < _HOT * usual)))

    def _gain(self) -> NDArray[np.floating]:
        assert self.flat is not None
        if self.dark is None:
            return self.flat
        if self.dark.shape != self.flat.shape:
            raise InputError(f"the darks are {self.dark.shape}, the flats {self.flat.shape}: give frames of one size")
        return self.flat - self.dark


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder, sorted by name.

    Raises
    ------
    MissingFileError, InputError
        If there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder: check the path")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes() and path.is_file())
    if not files:
        raise InputError(f"{folder}: holds no images: known are {', '.join(suffixes())}")
    return files


def frame_files(path: Path) -> list[Path]:
    """Return the file, or the images in the folder, that frames are given as.

    Raises
    ------
    MissingFileError, InputError
        If there is nothing there, or no image in the folder.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such file or folder: check the path")
    return image_files(path) if path.is_dir() else [path]


def mean_of(
    files: Sequence[Path],
    exposure: Callable[[NDArray[Any]], NDArray[np.float64]] | None = None,
    *,
    uniform: bool = False,
    as_signal: bool = False,
) -> NDArray[np.float64]:
    """Return the mean of all frames in files, every page a frame, (H, W).

    Parameters
    ----------
    files : sequence of Path
        What to read.
    exposure : callable, optional
        Takes the grey levels of a logarithmic frame to what is averaged; without it logarithmic files are refused.
    uniform : bool
        Whether frames of one grey level alone are welcome.
    as_signal : bool
        Whether stored values that are the signal are taken as they are stored, though they are shown inverted.

    Raises
    ------
    InputError
        If the frames differ in shape, or in the polarity or scale that they say.
    """
    total: NDArray[np.float64] | None = None
    kinds: set[tuple[str | None, str | None]] = set()
    frames = 0
    for file in files:
        radiograph = read_image(file, pages=True, log=exposure is not None, uniform=uniform)
        radiograph = as_stored(radiograph) if as_signal else radiograph
        kinds.add((radiograph.polarity, radiograph.intensity))
        if len(kinds) > 1:
            raise InputError(f"{file}: says another polarity or scale than those before: give frames of one kind")
        for page in radiograph.images():
            if total is not None and page.shape != total.shape:
                raise InputError(f"{file}: is {page.shape}, those before {total.shape}: give frames of one size")
            signal = page.astype(np.float64) if exposure is None else exposure(page)
            total = signal if total is None else total + signal
            frames += 1
    if total is None:
        raise InputError("no frames to average: give one or more")
    return total / frames


def as_stored(radiograph: Radiograph) -> Radiograph:
    """Return a radiograph as it is stored, where that is the signal, else as it is.

    MONOCHROME1 of plates and panels only says how it is shown.
    """
    if not radiograph.white_is_zero or radiograph.white is None or radiograph.polarity != "metal-bright":
        return radiograph
    stored = invert(radiograph.pixels, radiograph.white)
    return replace(radiograph, pixels=stored, white_is_zero=False, polarity="metal-dark")
