"""Read and restore X-ray radiographs in napari, with xsim."""

__version__ = "0.1.0"
