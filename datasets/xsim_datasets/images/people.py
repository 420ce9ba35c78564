"""What a file says about people: named where it would be handed on, and left out where that is asked for.

DICOM follows the basic profile of PS3.15 (annex E) by rules rather than by its list of names: everything about the
patient, every person, date, private element, free text and identifier goes, whatever its name. The pixels are not
searched for text that was burned into them, nor are the names of files.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from xsim_datasets.images.radiograph import Radiograph

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["anonymised", "people_in"]

_PATIENT_GROUP = 0x0010
# Elements that an image must have, though they may be empty (type 2 of PS3.3): the profile empties them.
_EMPTIED: Final = frozenset(
    {"PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ContentDate"}
    | {"ContentTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"}
)
# Value representations of people, times, and texts of any length (PS3.5 6.2): nobody knows what stands in those.
_PERSON, _TIMES, _TEXTS = "PN", frozenset({"DA", "TM", "DT"}), frozenset({"LT", "ST", "UT", "UC", "UR", "UN"})
# Short texts, identifiers and numbers of the profile's table (E.1-1) that are not of the kinds above, and its pictures.
_NAMED: Final = frozenset(
    {"AccessionNumber", "AdmissionID", "CassetteID", "ClinicalTrialProtocolID", "ClinicalTrialSponsorName"}
    | {"ContentLabel", "DetectorID", "DeviceSerialNumber", "DeviceUID", "FillerOrderNumberImagingServiceRequest"}
    | {"GantryID", "GeneratorID", "IconImageSequence", "InstitutionName", "InstitutionalDepartmentName"}
    | {"InstitutionalDepartmentTypeCodeSequence", "InstitutionCodeSequence", "IssuerOfAdmissionID", "MAC"}
    | {"OperatorIdentificationSequence", "OriginalAttributesSequence", "PerformedLocation", "PerformedProcedureStepID"}
    | {"PerformedProcedureStepDescription", "PerformedStationAETitle", "PerformedStationName", "PlateID"}
    | {"PhysiciansOfRecordIdentificationSequence", "PlacerOrderNumberImagingServiceRequest", "ProtocolName"}
    | {"ReferencedPatientSequence", "ReferencedStudySequence", "ReferringPhysicianIdentificationSequence"}
    | {"RequestAttributesSequence", "RequestedProcedureDescription", "RequestedProcedureID", "RequestingService"}
    | {
        "RequestedProcedureLocation",
        "ScheduledProcedureStepDescription",
        "ScheduledProcedureStepID",
        "SeriesDescription",
    }
    | {"ScheduledStationAETitle", "ScheduledStationName", "ServiceEpisodeID", "SourceApplicationEntityTitle"}
    | {"StationName", "StudyDescription", "StudyID", "TimezoneOffsetFromUTC", "XRaySourceID", "ContentCreatorName"}
    | {"AuthorObserverSequence", "ContentSequence", "DigitalSignaturesSequence", "EncryptedAttributesSequence"}
    | {
        "GraphicAnnotationSequence",
        "ModifiedAttributesSequence",
        "ParticipantSequence",
        "PersonIdentificationCodeSequence",
    }
    | {"VerifyingObserverSequence", "MedicalRecordLocator", "CurrentPatientLocation", "LensMake", "LensModel"}
)
# Overlays are drawings over the image, with names in them as often as not (PS3.3 C.9).
_OVERLAYS, _CURVES = range(0x6000, 0x6100), range(0x5000, 0x5100)
# Identifiers that the standard itself gave out say what a file is, not whose.
_REGISTERED = "1.2.840.10008."

# Tags of TIFF that carry people's names and words, and what people call them.
_TIFF_PEOPLE: Final = {
    269: "DocumentName", 270: "ImageDescription", 285: "PageName", 315: "Artist", 316: "HostComputer", 700: "XMP",
    33432: "Copyright", 33723: "IPTC", 34377: "Photoshop", 42032: "OwnerName", 42033: "SerialNumber",
}  # fmt: skip
_TIFF_TIME, _DESCRIPTION = 306, 270
# Texts that programs write, about the image alone.
_OF_PROGRAMS = (b"ImageJ=", b"<?xml", b"<OME", b"xsim ", b'{"shape"', b"shape=", b"DigitalMicrograph")
# Types of TIFF that hold numbers and nothing else (TIFF 6.0, page 15): not bytes, texts or the undefined.
_NUMBERS = frozenset({3, 4, 5, 8, 9, 10, 11, 12, 16, 17})


def people_in(radiograph: Radiograph) -> tuple[str, ...]:
    """Return the names of what a file says about people, which come back in what is written; never the values."""
    header = radiograph.header
    if radiograph.kind == "dicom" and "dataset" in header:
        return tuple(sorted({element.keyword for element in header["dataset"].iterall() if _about_people(element)}))
    if radiograph.kind == "tiff":
        return tuple(
            _TIFF_PEOPLE[code]
            for code, _, _, value in header.get("tags", ())
            if code in _TIFF_PEOPLE and not _of_a_program(code, value)
        )
    if radiograph.kind == "png":
        return tuple(sorted(_texts(header.get("info", {}))))
    return ()


def _about_people(element: Any) -> bool:
    person = element.VR == _PERSON or element.tag.group == _PATIENT_GROUP
    return bool(element.keyword) and person and not element.is_empty


def _of_a_program(code: int, value: Any) -> bool:
    text = value if isinstance(value, bytes) else str(value).encode()
    return code == _DESCRIPTION and (not text.strip(b" \0") or text.startswith(_OF_PROGRAMS))


def _texts(info: Mapping[Any, Any]) -> set[str]:
    return {key for key, value in info.items() if isinstance(key, str) and isinstance(value, str) and key != "xsim"}


def anonymised(radiograph: Radiograph) -> Radiograph:
    """Return a radiograph whose header says nothing about people; pixels, pitch and layout stay.

    Returns
    -------
    Radiograph
        DICOM after the basic profile of PS3.15, with identifiers that are new and the same for the same old one
        throughout a run; TIFF with its numbers, maker and model alone; PNG without texts; RAW with zeros in place of
        the bytes before its pixels.
    """
    header = dict(radiograph.header)
    if "dataset" in header:
        header["dataset"] = _anonymous(header["dataset"])
    if "tags" in header:
        header["tags"] = [tag for tag in header["tags"] if _says_nothing(tag)]
        # A pitch that a description said is written as a resolution.
        header["resolution"] = header.get("resolution") if radiograph.pitch_mm is None else None
    if "info" in header:
        header["info"] = {key: value for key, value in header["info"].items() if key == "dpi"}
    if "head" in header:
        header["head"] = bytes(len(header["head"]))
    return replace(radiograph, header=header)


def _says_nothing(tag: tuple[int, int, int, Any]) -> bool:
    code, kind = tag[:2]
    # Maker, model and program of the device; private numbers may be serial numbers.
    return code in {271, 272, 305} or (kind in _NUMBERS and code < 32768 and code not in {*_TIFF_PEOPLE, _TIFF_TIME})


def _anonymous(source: Dataset) -> Dataset:
    from pydicom.uid import UID  # noqa: PLC0415  (only DICOM needs it)

    dataset = deepcopy(source)
    dataset.remove_private_tags()
    _clean(dataset)
    meta = dataset.file_meta
    for name in ("SourceApplicationEntityTitle", "SendingApplicationEntityTitle", "ReceivingApplicationEntityTitle"):
        meta.pop(name, None)
    for name in ("PrivateInformation", "PrivateInformationCreatorUID"):
        meta.pop(name, None)
    if "MediaStorageSOPInstanceUID" in meta:
        meta.MediaStorageSOPInstanceUID = UID(_new_uid(str(meta.MediaStorageSOPInstanceUID)))
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "xsim, basic profile of PS3.15"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    return dataset


def _clean(dataset: Dataset) -> None:
    """Take out of a data set, and of those in it, what the profile takes out."""
    for element in list(dataset):
        group = element.tag.group
        if element.keyword in _EMPTIED:
            element.value = ""
        elif (
            group == _PATIENT_GROUP
            or group in _OVERLAYS
            or group in _CURVES
            or element.VR in {_PERSON, *_TIMES, *_TEXTS}
            or element.keyword in _NAMED
        ):
            del dataset[element.tag]
        elif element.VR == "UI":
            element.value = _new_uids(element.value)
        elif element.VR == "SQ":
            for item in element.value:
                _clean(item)


def _new_uids(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return _new_uid(str(value)) if value else value
    return [_new_uid(str(one)) for one in value]


@cache
def _salt() -> str:
    return secrets.token_hex(16)


def _new_uid(uid: str) -> str:
    from pydicom.uid import generate_uid  # noqa: PLC0415

    return uid if uid.startswith(_REGISTERED) else str(generate_uid(entropy_srcs=[_salt(), uid]))
