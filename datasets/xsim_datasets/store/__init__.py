"""Stores of pairs in zarr: layout, writing, reading, and the manifest that decides what exists."""
