"""What two detectors do to an image, as operators of other libraries."""
