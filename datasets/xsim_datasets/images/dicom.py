"""DICOM and DICONDE: DX, CR, RT images; every element is kept, what was derived says so."""

from __future__ import annotations

import json
import mmap
import warnings
from collections.abc import Mapping
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.filewriter import write_data_element
from pydicom.multival import MultiValue
from pydicom.pixels.decoders.base import get_decoder
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from xsim.errors import InputError
from xsim_datasets.images.codec import check_codestream, check_inflation
from xsim_datasets.images.dicom_meaning import INTENSITIES, doubts_of, pitch_of, polarity_of, rescale_of, said_of
from xsim_datasets.images.radiograph import BOMB_RATIO, Radiograph, check_claim
from xsim_datasets.images.rescale import rescaled
from xsim_datasets.images.tiff import invert

__all__ = ["read_dicom", "write_dicom"]

_MAGIC, _META_GROUP = b"DICM", b"\x02\x00"
# Value representations of binary words -> their bytes (PS3.5 6.2).
_WORDS = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_PIXELS = 0x7FE00010
# An odd group is private (DICOM PS3.5 7.8); the creator's name keeps ours apart from others in it.
_PRIVATE_GROUP, _PRIVATE_CREATOR = 0x0099, "XSIM"
# What a deflated data set may inflate to however small it is [bytes]: it is held twice while it is read.
_SMALL_BYTES = 2**26
# Run lengths at their worst: a byte before every byte (PS3.5 G.3.1).
_RLE_OVERHEAD = 2
# What is changed when an image is derived, and what its values are.
_DERIVED: dict[str, tuple[type, ...]] = {
    "ImageType": (str, MultiValue),
    "SourceImageSequence": (Sequence,),
    "DerivationDescription": (str,),
    "SOPClassUID": (str,),
    "SOPInstanceUID": (str,),
}
# Dropped elements that are named one by one.
_NAMED = 20
# Longest text of VR ST, that of DerivationDescription (DICOM PS3.5 6.2).
_MAX_TEXT = 1024


def read_dicom(path: Path, *, max_pixels: int) -> Radiograph:
    """Read the stored values of a DICOM image; those of MONOCHROME1 are turned so that black is low.

    Raises
    ------
    InputError
        If it is not one grey channel without a table of its own, or its size is wrong or beyond belief.
    """
    with warnings.catch_warnings():
        # Odd identifiers and missing preambles are common; what matters is checked. Elements are read when they are
        # first asked for, and complained of then.
        warnings.simplefilter("ignore")
        return _read(path, max_pixels)


def _read(path: Path, max_pixels: int) -> Radiograph:
    # A map of the file never gives more bytes than there are, whatever an element claims.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check_deflated(_from_meta(content), len(content), max_pixels)
        dataset = pydicom.dcmread(_from_meta(content), force=True)
    _check_elements(dataset)
    _complete_meta(dataset)
    _check_syntax(dataset.file_meta.TransferSyntaxUID)
    dtype, white = _stored_type(dataset)
    frames = int(dataset.get("NumberOfFrames") or 1)
    shape: tuple[int, ...] = (int(dataset.Rows), int(dataset.Columns))
    check_claim((frames, *shape), dtype, path.stat().st_size, max_pixels)
    wanted = frames * shape[0] * shape[1] * dtype.itemsize
    if not dataset.file_meta.TransferSyntaxUID.is_compressed and len(dataset.PixelData) < wanted:
        raise InputError(f"is truncated: {len(dataset.PixelData)} of {wanted} bytes of pixels: copy it again")
    _check_frames(dataset, frames, shape, dtype)
    pitch = pitch_of(dataset)
    pixels = np.asarray(dataset.pixel_array).astype(dtype, copy=False).reshape((frames, *shape))
    if frames == 1:
        pixels = pixels[0]
    if dtype.kind == "u" and pixels.max() > white:
        pixels = pixels & dtype.type(white)  # old files keep overlays in the bits above those stored
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if inverted:
        pixels = invert(pixels, white)
    del dataset.PixelData
    dropped = _drop_unwritable(dataset)
    told = (f"elements that do not move along (dropped): {', '.join(dropped)}",) if dropped else ()
    polarity, reason, disagreement = polarity_of(dataset, inverted=inverted)
    radiograph = Radiograph(
        pixels,
        "dicom",
        pitch.mm,
        white,
        inverted,
        polarity=polarity,
        polarity_reason=reason,
        intensity=INTENSITIES.get(str(dataset.get("PixelIntensityRelationship"))),
        notes=(*pitch.said, *said_of(dataset), *told),
        header={"dataset": dataset},
        doubts=(*doubts_of(dataset), *disagreement),
        pitch_doubt=pitch.doubt,
    )
    slope, intercept = rescale_of(dataset)
    return rescaled(radiograph, slope, intercept, "the file's rescale")


def _from_meta(content: mmap.mmap) -> BinaryIO:
    """Return a file as pydicom expects it: a preamble of 128 bytes and ``DICM``, or neither."""
    if content[128:132] != _MAGIC:
        if content[:4] == _MAGIC:
            return BytesIO(content[4:])
        if content[:128] == bytes(128) and content[128:130] == _META_GROUP:
            return BytesIO(content[128:])
    return cast("BinaryIO", content)


def _check_deflated(content: BinaryIO, file_bytes: int, max_pixels: int) -> None:
    """Refuse a deflated data set that inflates beyond belief (PS3.5 A.5); pydicom would inflate all of it."""
    try:
        read_preamble(content, force=True)
        meta = _read_file_meta_info(content)
        deflated = meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian
    except Exception:  # noqa: BLE001  (what is no DICOM is said so by those who read it)
        deflated = False
    if deflated:
        check_inflation(content.read(), "deflate", min(max(_SMALL_BYTES, BOMB_RATIO * file_bytes), 8 * max_pixels))
    content.seek(0)


def _check_frames(dataset: Dataset, frames: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse coded frames that are larger than the data set says, before any is decoded."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return
    most = _RLE_OVERHEAD * shape[0] * shape[1] * dtype.itemsize + 2**16
    for frame in generate_frames(dataset.PixelData, number_of_frames=frames):
        if syntax != RLELossless:
            check_codestream(frame, (shape[0], shape[1]))
        elif len(frame) > most:
            raise InputError(f"its run lengths take {len(frame)} bytes, of at most {most}: copy it again")


def _check_syntax(syntax: UID) -> None:
    """Refuse pixels that nothing here decodes, and name the programs that do."""
    cure = "decompress it first, with gdcmconv --raw (GDCM), dcmdjpeg, dcmdjpls or dcmdrle (DCMTK), or at the console"
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise InputError(f"holds pixels in a coding of somebody's own ({syntax}): {cure}")
    if syntax.is_compressed and syntax.is_encapsulated:
        try:
            available = get_decoder(syntax).is_available
        except NotImplementedError:
            available = False
        if not available:
            raise InputError(f"holds pixels as {syntax.name}, which is not read here: {cure}")


def _drop_unwritable(dataset: Dataset) -> list[str]:
    """Take out elements that cannot be written again, or are not of the kind that their name says; return which."""
    dropped = []
    for tag in list(dataset.keys()):
        element: Any = None
        try:
            element = dataset[tag]  # only now its value is parsed
            kinds = _DERIVED.get(element.keyword)
            fitting = kinds is None or (isinstance(element.value, kinds) and dictionary_VR(tag) == element.VR)
            write_data_element(_little_endian(), element, list(_character_sets(dataset)))
        except Exception:  # noqa: BLE001  (pydicom raises almost anything on values of another kind)
            fitting = False
        if not fitting:
            dropped.append(getattr(element, "keyword", "") or str(tag))
            del dataset[tag]
    return dropped[:_NAMED] + ([f"{len(dropped) - _NAMED} more"] if len(dropped) > _NAMED else [])


def _little_endian() -> DicomBytesIO:
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    return file


def _character_sets(dataset: Dataset) -> list[str]:
    try:
        return convert_encodings(dataset.get("SpecificCharacterSet", "ISO_IR 6"))
    except Exception:  # noqa: BLE001  (an unknown one is read as the usual one)
        return ["iso8859"]


def _check_elements(dataset: Dataset) -> None:
    missing = [name for name in ("Rows", "Columns", "BitsAllocated", "PixelData") if name not in dataset]
    if missing:
        raise InputError(f"is not a DICOM image, it has no {', '.join(missing)}: check the file")
    photometric = dataset.get("PhotometricInterpretation", "MONOCHROME2")
    if int(dataset.get("SamplesPerPixel", 1)) != 1 or photometric not in {"MONOCHROME1", "MONOCHROME2"}:
        raise InputError(f"holds {photometric} pixels: give one grey channel")
    if "ModalityLUTSequence" in dataset:
        raise InputError("maps its pixels through a table (Modality LUT): export it with a linear scale")
    dataset.PhotometricInterpretation = photometric
    dataset.SamplesPerPixel = 1


def _complete_meta(dataset: Dataset) -> None:
    """Name the encoding that pydicom found where the file does not name its own."""
    meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        implicit, _ = dataset.original_encoding
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.file_meta = meta


def _stored_type(dataset: Dataset) -> tuple[np.dtype[Any], float]:
    allocated = int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored") or allocated)
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    if allocated not in {8, 16, 32} or not 1 < stored <= allocated:
        raise InputError(f"stores {stored} of {allocated} bits: give 8, 16 or 32 allocated bits")
    return np.dtype(f"{'i' if signed else 'u'}{allocated // 8}"), float(2 ** (stored - signed) - 1)


def write_dicom(path: Path, radiograph: Radiograph, stamp: Mapping[str, Any]) -> None:
    """Write a derived image: a new instance, uncompressed, every other element as it was read.

    Raises
    ------
    InputError
        If the pixels are not 8, 16 or 32 bit integers.
    """
    if radiograph.dtype.kind not in "ui" or radiograph.dtype.itemsize > 4:
        raise InputError(f"DICOM cannot hold {radiograph.dtype} pixels: write TIFF")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = radiograph.header.get("dataset") if radiograph.kind == "dicom" else None
        dataset = deepcopy(source) if source is not None else _blank(radiograph)
        _derive(dataset, stamp)
        if any(doubt.startswith("lossy") for doubt in radiograph.doubts):
            # Once lossy, always lossy, however it is stored now (PS3.3 C.7.6.1.1.5).
            dataset.LossyImageCompression = "01"
        pixels = radiograph.pixels
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            pixels = invert(pixels, radiograph.white)
        _put_pixels(dataset, pixels)
        implicit = dataset.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        _to_little_endian(dataset)
        # Unlike save_as this changes the byte order of files that were big-endian.
        pydicom.dcmwrite(path, dataset, enforce_file_format=True, implicit_vr=implicit, little_endian=True)


def _blank(radiograph: Radiograph) -> Dataset:
    """Return the least that an image needs, for pixels of another kind of file."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.ConversionType = "OT", "WSD"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = radiograph.shape
    bits = radiograph.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(radiograph.dtype.kind == "i")
    if radiograph.pages > 1:
        dataset.NumberOfFrames = radiograph.pages
    if radiograph.pitch_mm is not None:
        dataset.ImagerPixelSpacing = [f"{radiograph.pitch_mm:.9g}"] * 2
    return dataset


def _derive(dataset: Dataset, stamp: Mapping[str, Any]) -> None:
    """Make the data set a new instance that names its source (DICOM PS3.3 C.7.6.1)."""
    meta = dataset.file_meta
    if "SOPClassUID" not in dataset:
        dataset.SOPClassUID = SecondaryCaptureImageStorage
    if "SOPInstanceUID" in dataset:
        item = Dataset()
        item.ReferencedSOPClassUID = dataset.SOPClassUID
        item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
        dataset.SourceImageSequence = Sequence([*dataset.get("SourceImageSequence", []), item])
    dataset.SOPInstanceUID = generate_uid()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    kinds = dataset.get("ImageType") or []
    others = [] if isinstance(kinds, str) else list(kinds[1:])
    dataset.ImageType = ["DERIVED", *(others or ["PRIMARY"])]
    if stamp:
        said = str(dataset.get("DerivationDescription") or "")
        line = f"restored by xsim: {stamp.get('restorer', '')}".strip()
        dataset.DerivationDescription = "; ".join(filter(None, (said, line)))[-_MAX_TEXT:]
        try:
            block = dataset.private_block(_PRIVATE_GROUP, _PRIVATE_CREATOR, create=True)
        except Exception:  # noqa: BLE001  (others fill the group, or their creators are no names: pydicom stops anyhow)
            for element in list(dataset.group_dataset(_PRIVATE_GROUP)):
                del dataset[element.tag]
            block = dataset.private_block(_PRIVATE_GROUP, _PRIVATE_CREATOR, create=True)
        block.add_new(0x01, "UT", json.dumps(stamp, sort_keys=True))
    if meta.TransferSyntaxUID != ImplicitVRLittleEndian:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _to_little_endian(dataset: Dataset) -> None:
    """Turn binary elements around that were read big-endian; pydicom turns numbers around, and leaves these."""
    if dataset.original_encoding[1] is not False:
        return
    for element in dataset.iterall():
        if (size := _WORDS.get(element.VR)) is not None and isinstance(element.value, bytes) and element.tag != _PIXELS:
            element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()


def _put_pixels(dataset: Dataset, pixels: NDArray[Any]) -> None:
    for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        dataset.pop(name, None)
    data = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    vr = "SS" if pixels.dtype.kind == "i" else "US"
    for name, value in (("SmallestImagePixelValue", pixels.min()), ("LargestImagePixelValue", pixels.max())):
        if name in dataset and pixels.dtype.itemsize <= 2:
            dataset[name].VR = vr
            dataset[name].value = int(value)
