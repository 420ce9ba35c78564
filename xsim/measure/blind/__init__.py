"""Blur and noise of a detector from ordinary radiographs, with nothing known beforehand."""

from xsim.measure.blind.estimate import measure_blind
from xsim.measure.blind.noise import with_noise_of
from xsim.measure.blind.result import BlindDetector, BlindNoise

__all__ = ["BlindDetector", "BlindNoise", "measure_blind", "with_noise_of"]
