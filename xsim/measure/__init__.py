"""Image quality by the standards' own methods: MTF, NNPS, CTF, resolution, and the calibration of detectors."""
