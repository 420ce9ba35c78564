"""Restoring radiographs: one image or many files, with settings, forecast and figure."""
