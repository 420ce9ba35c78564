"""The power that an answer of least error lacks, and a filter that gives some of it back.

An estimate that is right on average is softer than the truth: what it cannot tell it leaves out, and its power is
S - e where the truth has S and e is its error, frequency by frequency. Of all images that have the truth's power the
one closest to the truth is the estimate times sqrt(S / (S - e)) (Freirich, Michaeli and Meir 2021, "A theory of the
distortion-perception tradeoff in Wasserstein space", for Gaussian images), and what lies between the two is the best
that can be had at every sharpness between. Half of the way costs a quarter of the error of the whole.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from xsim_zoo.process.operator import Operator
from xsim_zoo.process.process import fft, ifft, strips

__all__ = ["RETURNED", "filter_error", "gain_of", "power_gain", "return_power"]

RETURNED: Final = 0.5
"""Share of the way from the estimate of least error to one of the truth's power. The whole of it costs four times as
much in error (docs/experiments.md)."""


def filter_error(operator: Operator) -> Tensor:
    """Return the share of the power that the Wiener filter of y leaves, (B or 1, 1, H, W // 2 + 1).

    1 - W_1 B_1 = Sigma_1 / (S B_1^2 + Sigma_1), see `Operator.wiener`; 1 where nothing is known.
    """
    return _left(operator.S, operator.process.B(1.0), operator.process.Sigma_1)


def power_gain(operator: Operator, error_share: float, returned: float = RETURNED) -> Tensor:
    """Return the gain (B or 1, 1, H, W // 2 + 1) that takes an answer some of the way to the truth's power.

    Parameters
    ----------
    operator : Operator
        With the noise of the image.
    error_share : float
        Error of the answer over that of the filter, below 1; see `xsim_zoo.training.finishing.power`.
    returned : float
        How much of the way: 0 is the estimate of least error, 1 one of the truth's power.
    """
    return gain_of(operator.S, operator.process.B(1.0), operator.process.Sigma_1, error_share, returned)


def gain_of(S: Tensor, B_1: Tensor, Sigma_1: Tensor, error_share: float, returned: float = RETURNED) -> Tensor:
    """Return `power_gain` from the maps that it depends on, all of one shape."""
    return 1.0 + returned * ((1.0 - error_share * _left(S, B_1, Sigma_1)).rsqrt() - 1.0)


def _left(S: Tensor, B_1: Tensor, Sigma_1: Tensor) -> Tensor:
    return Sigma_1 / (S * B_1.square() + Sigma_1).clamp_min(torch.finfo(Sigma_1.dtype).tiny)


def return_power(x_0: Tensor, operator: Operator, error_share: float, returned: float = RETURNED) -> Tensor:
    """Return answers (B, 1, H, W) on the padded grid with some of the power that they lack, see `power_gain`."""
    X_0 = fft(x_0)
    for rows in strips(operator.S):
        # Not in place: the answer may be asked for its gradient.
        gain = power_gain(operator.rows(rows), error_share, returned)
        X_0[rows] = X_0[rows] * gain
    return ifft(X_0, operator.shape)
