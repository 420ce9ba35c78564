"""Image files: TIFF, DICOM, PNG, NPY, RAW in and out at their own depth, BMP and JPEG in, with their tags."""

from xsim_datasets.images.files import (
    SUFFIXES,
    kind_of_name,
    publish,
    read_image,
    rehearse,
    suffixes,
    write_image,
    written_kind,
)
from xsim_datasets.images.formats import FileFormat
from xsim_datasets.images.people import anonymised, people_in
from xsim_datasets.images.radiograph import MAX_PIXELS, Radiograph
from xsim_datasets.images.scale import POLARITIES, Density, Polarity, Scale, exposure_of_log, find_open_field, scale_of
from xsim_datasets.images.tiff import write_simulated

__all__ = [
    "MAX_PIXELS",
    "POLARITIES",
    "SUFFIXES",
    "Density",
    "FileFormat",
    "Polarity",
    "Radiograph",
    "Scale",
    "anonymised",
    "exposure_of_log",
    "find_open_field",
    "kind_of_name",
    "people_in",
    "publish",
    "read_image",
    "rehearse",
    "scale_of",
    "suffixes",
    "write_image",
    "write_simulated",
    "written_kind",
]
