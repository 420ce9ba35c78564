"""The imaging chain: from a phantom in the beam to the corrected images of both detectors."""
