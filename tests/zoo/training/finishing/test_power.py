"""The power that answers of least error lack: the gain of closed forms, and the share that is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import xsim_zoo
from xsim.degradation.link import GreyLink
from xsim.errors import InputError, PhysicsRangeError
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.power import RETURNED, filter_error, power_gain
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.restorers.regression import WienerRegression
from xsim_zoo.training.finishing.power import measure_error_share

if TYPE_CHECKING:
    from types import SimpleNamespace

    from numpy.typing import NDArray

SHAPE = (192, 192)


def silent(toys: SimpleNamespace, **options: Any) -> WienerRegression:
    """Return a restorer whose network says nothing: the Wiener filter."""
    physics = Physics(toys.closed_form(GreyLink.identity()), toys.power_law())
    made = xsim_zoo.build("unet-wiener", physics, size="tiny", **options)
    assert isinstance(made, WienerRegression)
    return made


def normal(restorer: WienerRegression, seed: int, kept: float) -> list[NDArray[np.float32]]:
    """Return a normal image of the prior about grey 1, its measurement, and its estimate of least error.

    The estimate is told enough beside the measurement to leave ``kept`` of the filter's error.
    """
    grid = PaddedGrid.around(SHAPE)
    operator = restorer.operator(grid.padded)
    generator = torch.Generator().manual_seed(seed)
    white = [fft(torch.randn((1, 1, *grid.padded), generator=generator)) for _ in range(3)]
    S = operator.S.clone()
    S[..., 0, 0] = 0
    X_0 = S.sqrt() * white[0]
    Y = operator.process.marginal(X_0, 1.0, white[1])
    W, _ = operator.wiener(1.0)
    rest = X_0 - W * Y  # independent of Y, as all is normal
    told = (1 - kept) * rest + (kept * (1 - kept) * S * filter_error(operator)).sqrt() * white[2]
    images = (grid.crop(ifft(spectrum, grid.padded))[0, 0].numpy() + 1.0 for spectrum in (X_0, Y, W * Y + told))
    return [image.astype(np.float32) for image in images]


def test_the_whole_gain_would_give_all_the_power(toys: SimpleNamespace) -> None:
    operator = silent(toys).operator(SHAPE)
    whole = 1 + (power_gain(operator, 0.4) - 1) / RETURNED
    torch.testing.assert_close(whole.square() * (1 - 0.4 * filter_error(operator)), torch.ones_like(operator.S))
    W, _ = operator.wiener(1.0)
    torch.testing.assert_close(filter_error(operator), 1 - W * operator.process.B(1.0), atol=2e-6, rtol=1e-4)
    assert power_gain(operator, 0.0).equal(torch.ones_like(operator.S))


def test_the_share_is_found_and_half_the_way_costs_a_quarter(
    toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer, kept = silent(toys), 0.4
    truth, lr, best = zip(*(normal(restorer, seed, kept) for seed in range(4)), strict=True)
    answers = iter(best)
    monkeypatch.setattr(restorer, "restore_array", lambda _: next(answers))
    restorer.noise_follows_grey = False  # type: ignore[misc]  # of this one alone
    share = measure_error_share([restorer] * 4, truth, lr)
    assert share == pytest.approx(kept, abs=0.05)

    gain = power_gain(restorer.operator(SHAPE), share)[0, 0].numpy()
    error = [
        np.mean(
            [np.square(_filtered(image, 1 + way * (gain - 1)) - x).mean() for image, x in zip(best, truth, strict=True)]
        )
        for way in (0.0, 1.0, 1.0 / RETURNED)
    ]
    assert error[0] < error[1] < error[2]
    assert (error[1] - error[0]) / (error[2] - error[0]) == pytest.approx(RETURNED**2, abs=0.05)


def _filtered(image: NDArray[np.float32], gain: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.fft.irfft2(np.fft.rfft2(image) * gain, s=image.shape))


def test_answers_get_it_and_samples_do_not(toys: SimpleNamespace) -> None:
    physics = Physics(toys.closed_form(), toys.power_law())
    plain, sharper = (xsim_zoo.build("physics-sde", physics, size="tiny", error_share=share) for share in (0.0, 0.4))
    assert "error_share" not in plain.options
    assert sharper.options["error_share"] == 0.4
    lr = toys.board(1)
    before, after = (restorer.restore_array(lr, steps=2) for restorer in (plain, sharper))
    inside = (slice(16, -16),) * 2
    # In LR grey, where the filter acts.
    before, after = (
        restorer.physics.degradation.link.forward(image) for restorer, image in ((plain, before), (sharper, after))
    )
    expected = _filtered_on_its_grid(sharper, before, lr)
    np.testing.assert_allclose(after[inside], expected[inside], atol=2e-4)
    assert np.abs(after - before).max() > 1e-3
    drawn = [
        restorer.restore_array(lr, steps=2, eta=1.0, noise=white_noise(torch.Generator().manual_seed(1)))
        for restorer in (plain, sharper)
    ]
    np.testing.assert_array_equal(*drawn)


def _filtered_on_its_grid(restorer: Any, image: NDArray[np.float32], lr: NDArray[np.float32]) -> NDArray[np.float64]:
    grid = PaddedGrid.around((image.shape[0], image.shape[1]))
    operator = restorer.operator(grid.padded).at_noise_level(float(restorer.noise_level(lr)))
    X = fft(grid.pad(torch.as_tensor(image, dtype=torch.float32)[None, None])) * power_gain(
        operator, restorer.error_share
    )
    return np.asarray(grid.crop(ifft(X, grid.padded))[0, 0].numpy(), dtype=np.float64)


def test_what_cannot_be_is_refused(toys: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="0 images"):
        measure_error_share([], [], [])
    restorer = silent(toys)
    truth, lr, _ = normal(restorer, 0, 0.4)
    with pytest.raises(InputError, match="train for longer"):
        measure_error_share([restorer], [1.0 + 9.0 * (truth - 1.0)], [lr])
    with pytest.raises(PhysicsRangeError, match="error_share"):
        silent(toys, error_share=1.0)
