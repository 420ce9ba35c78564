"""The mathematics between two detectors: process, operator, prior, grey-level link, samplers, grids."""
