"""What the elements of a DICOM or DICONDE image say of its grey levels and pixels."""

from __future__ import annotations

from typing import Final, Literal

from pydicom.dataset import Dataset
from pydicom.uid import HTJ2K, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from xsim_datasets.images.pitch import Pitch, check_aspect, pitch_from_spacing
from xsim_datasets.images.scale import Polarity

__all__ = ["INTENSITIES", "doubts_of", "pitch_of", "polarity_of", "rescale_of", "said_of"]

INTENSITIES: Final[dict[str, Literal["linear", "log"]]] = {"LIN": "linear", "LOG": "log"}
"""Pixel Intensity Relationship (0028,1040), DICOM PS3.3 C.8.11.3."""

# At the detector first; PixelSpacing may already be scaled to the object.
_SPACINGS = ("ImagerPixelSpacing", "ImagePlanePixelSpacing", "NominalScannedPixelSpacing", "PixelSpacing")
# Transfer syntaxes that lose: baseline and extended JPEG, near-lossless JPEG-LS, JPEG 2000 and its fast twin.
_LOSSY = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K})
# Modalities of projection radiography whose stored values rise with exposure where MONOCHROME1 turns the display.
_PROJECTIONS = frozenset({"CR", "DX", "MG", "IO", "PX", "RG"})
# What an element without a value reads as.
_EMPTY = (None, "")
# Types of rescaled values that are no exposure (PS3.3 C.11.1.1.2).
_NO_EXPOSURE = {"HU": "Hounsfield units", "OD": "optical density", "Z_EFF": "effective atomic numbers"}


def doubts_of(dataset: Dataset) -> tuple[str, ...]:
    """Return why stored values may not be what the detector measured."""
    doubts: tuple[str, ...] = ()
    syntax = dataset.file_meta.TransferSyntaxUID
    if str(dataset.get("LossyImageCompression")) == "01" or syntax in _LOSSY:
        method = dataset.get("LossyImageCompressionMethod") or (syntax.name if syntax in _LOSSY else "as the file says")
        method = method if isinstance(method, str) else ", ".join(map(str, method))
        doubts += (f"lossy compression ({method})",)
    if str(dataset.get("PresentationIntentType", "")).strip() == "FOR PRESENTATION":
        doubts += ("processed for presentation",)
    if (kind := _NO_EXPOSURE.get(str(dataset.get("RescaleType", "")).strip())) is not None:
        doubts += (f"rescaled to {kind}",)
    return doubts


def said_of(dataset: Dataset) -> tuple[str, ...]:
    """Return what is no doubt yet, and worth a line."""
    sop = getattr(dataset.get("SOPClassUID"), "name", "")
    if sop.endswith("For Presentation") and not dataset.get("PresentationIntentType"):
        return (
            f"stored as '{sop}', without a PresentationIntentType: make sure that its grey levels are not processed",
        )
    return ()


def pitch_of(dataset: Dataset) -> Pitch:
    """Return the pixel pitch, of the spacing at the detector where there are several.

    Raises
    ------
    InputError
        If the pixels are not square.
    """
    doubt = ""
    for name in _SPACINGS:
        spacing = dataset.get(name)
        if not spacing:
            continue
        try:
            y_mm, x_mm = (float(value) for value in spacing)
        except (TypeError, ValueError):
            doubt = doubt or f"its {name} is no pair of lengths, so no pixel pitch"
            continue
        pitch = pitch_from_spacing(x_mm, y_mm, f"its {name}")
        if pitch.mm is not None:
            return Pitch(pitch.mm, (f"pixel pitch from {name}",))
        doubt = doubt or pitch.doubt
    try:
        y, x = (float(value) for value in dataset.get("PixelAspectRatio") or (1, 1))
    except (TypeError, ValueError):
        return Pitch(doubt=doubt)
    check_aspect(x, y, "its PixelAspectRatio")
    return Pitch(doubt=doubt)


def rescale_of(dataset: Dataset) -> tuple[float, float]:
    """Return slope and intercept of the modality's scale (PS3.3 C.11.1); no change where there is none."""
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    try:
        return 1.0 if slope in _EMPTY else float(slope), 0.0 if intercept in _EMPTY else float(intercept)
    except (TypeError, ValueError):
        return float("nan"), 0.0


def polarity_of(dataset: Dataset, *, inverted: bool) -> tuple[Polarity | None, str, tuple[str, ...]]:
    """Return what the elements say of metal in pixels that may have been turned, why, and a doubt where they disagree.

    Pixel Intensity Relationship Sign (0028,1041) is made for it: at 1 lower stored values stand for less beam, at -1
    for more (PS3.3 C.8.11.3). A negative slope turns what is stored. MONOCHROME1 is about the display: plates and
    panels store values that rise with exposure, and it shows bone, or metal, bright.
    """
    said: list[tuple[bool, str]] = []
    sign = str(dataset.get("PixelIntensityRelationshipSign"))
    if sign in {"1", "-1"}:
        said.append((sign == "1", f"PixelIntensityRelationshipSign {sign}"))
    slope, _ = rescale_of(dataset)
    if slope < 0:
        said.append((False, "a negative RescaleSlope"))
    modality = str(dataset.get("Modality", "")).strip()
    if inverted and modality in _PROJECTIONS:
        said.append((True, f"MONOCHROME1 of modality {modality}, whose stored values rise with exposure"))
    if not said:
        return None, "", ()
    rises, reason = said[0]
    others = [why for other, why in said[1:] if other != rises]
    doubts = (f"polarity: {reason} against {', '.join(others)}",) if others else ()
    return ("metal-dark" if rises != inverted else "metal-bright"), reason, doubts
