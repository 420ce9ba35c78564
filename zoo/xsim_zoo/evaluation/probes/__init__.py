"""Probes: questions put to every restorer with images that are made for it."""
