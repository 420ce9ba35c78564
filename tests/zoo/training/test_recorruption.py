"""Recorruption: independent noises of known spectra, and a risk that equals the clean one without knowing it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import xsim
from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim.grids import half_plane_weights
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.restorers.classical import Wiener
from xsim_zoo.training.recorruption import STRENGTH, Looks, LrModel
from xsim_zoo.weights.loading import build

if TYPE_CHECKING:
    from types import SimpleNamespace

SHAPE = (96, 96)
DRAWS = 400


def flat(toys: SimpleNamespace, **options: float) -> Degradation:
    """Return detectors of one grey scale, whose noise is the same behind every grey: all is linear and stationary."""
    return toys.closed_form(GreyLink.identity(), **options)


def white(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, *PaddedGrid.around(SHAPE).padded, generator=torch.Generator().manual_seed(seed))


def coloured(degradation: Degradation, count: int, seed: int) -> torch.Tensor:
    """Return noise of Sigma_1 on the padded grid, independent of what is tested."""
    root = np.sqrt(degradation.Sigma_1_map(PaddedGrid.around(SHAPE).padded))
    return ifft(torch.as_tensor(root, dtype=torch.float32) * fft(white(count, seed)), PaddedGrid.around(SHAPE).padded)


def whitened(looks: Looks, model: LrModel, x_0: torch.Tensor) -> float:
    return float(model.distance(x_0, looks).mean())


def test_the_two_noises_are_uncorrelated_and_have_the_spectra_that_are_stated(toys: SimpleNamespace) -> None:
    model = LrModel(flat(toys), SHAPE)
    e = model.grid.crop(coloured(model.degradation, DRAWS, 1))
    looks = model.looks(1 + e, torch.ones(DRAWS, *SHAPE), white(DRAWS, 2))
    window = torch.outer(torch.hann_window(96), torch.hann_window(96))
    spectra = [fft((look - 1) * window) for look in (looks.restored, looks.judge)]
    own = fft(e * window).abs().square().mean(0)
    powers = [spectrum.abs().square().mean(0) for spectrum in spectra]
    cross = (spectra[0] * spectra[1].conj()).mean(0)
    coherence = cross.abs() / (powers[0] * powers[1]).sqrt()
    # Of independent noises the coherence of so many draws is about 1 / sqrt(draws) = .05 in every bin.
    assert float(coherence.square().mean().sqrt()) == pytest.approx(DRAWS**-0.5, rel=0.1)
    assert float((powers[0] / own).mean()) == pytest.approx(1 + STRENGTH**2, rel=0.02)
    assert float((powers[1] / own).mean()) == pytest.approx(1 + STRENGTH**-2, rel=0.02)
    assert looks.noise_restored == 1 + STRENGTH**2
    assert looks.noise_judge == 1 + STRENGTH**-2
    # Noise of another colour would leave the looks correlated.
    other = LrModel(flat(toys, noise=0.25), SHAPE).looks(1 + e, torch.ones(DRAWS, *SHAPE), white(DRAWS, 2))
    a, b = ((look - 1).flatten() for look in (other.restored, other.judge))
    assert float(torch.corrcoef(torch.stack([a, b]))[0, 1]) > 0.2


def test_noise_is_as_strong_as_the_image_is_bright(toys: SimpleNamespace) -> None:
    model = LrModel(replace(flat(toys), excess_noise=0.2), SHAPE)
    y = np.ones((1, *SHAPE), np.float32)
    y[:, :, 48:] = 0.25
    rms = torch.from_numpy(model.rms_map(y)).expand(DRAWS, -1, -1)
    looks = model.looks(torch.from_numpy(y).expand(DRAWS, -1, -1), rms, white(DRAWS, 3))
    power = (looks.restored - looks.judge).square().mean(dim=(0, 1))
    expected = 0.25 * (1 + 0.2 * 0.75)
    assert float(power[62:82].mean() / power[14:34].mean()) == pytest.approx(expected, rel=0.05)
    assert float(looks.level[0]) == pytest.approx(float(model.degradation.noise_level(y[0])), rel=0.02)


def expected_risk(model: LrModel, gain: torch.Tensor, clean: torch.Tensor, power: float) -> float:
    """Return E |K (B_1 W y - m)|^2 of a linear estimator in closed form, by its bias and its noise; a pixel."""
    B = torch.as_tensor(model.degradation.B_1_map(model.grid.padded), dtype=torch.float32)
    bias = ifft(gain * fft(model.grid.pad(clean)), model.grid.padded)
    looks = Looks(clean, clean, torch.ones(len(clean)))
    systematic = whitened(looks, model, bias)
    # The noise goes through B W, is whitened, and is averaged over all bins: Sigma_1 cancels.
    share = torch.as_tensor(half_plane_weights(model.grid.padded)) * (B * gain).square()
    return systematic + power * float(share.sum()) / (model.grid.padded[0] * model.grid.padded[1])


def wiener_gain(model: LrModel, prior: float, toys: SimpleNamespace, noise: float) -> torch.Tensor:
    padded = model.grid.padded
    S = prior * toys.power_law().map(padded, model.degradation.pitch_mm)
    B, Sigma_1 = model.degradation.B_1_map(padded), noise * model.degradation.Sigma_1_map(padded)
    return torch.as_tensor(S * B / (S * B**2 + Sigma_1), dtype=torch.float32)


def test_the_risk_of_a_wiener_filter_is_the_analytic_one(toys: SimpleNamespace) -> None:
    """Known image, known noise: the risk by two looks at a noisy image against bias and noise in closed form."""
    model = LrModel(flat(toys), SHAPE)
    gain = wiener_gain(model, 1.0, toys, 1 + STRENGTH**2)
    sharp = torch.from_numpy(toys.board(5))[None]
    clean = model.blurred(model.grid.pad(sharp))
    count = 64
    y = clean + model.grid.crop(coloured(model.degradation, count, 4))
    found = []
    for a in (STRENGTH, -STRENGTH):
        looks = model.looks(y, torch.ones(count, *SHAPE), white(count, 5), a)
        x_0 = ifft(gain * fft(model.grid.pad(looks.restored)), model.grid.padded)
        found.append(whitened(looks, model, x_0) - looks.noise_judge)
    truth = expected_risk(model, gain, clean, 1 + STRENGTH**2)
    assert np.mean(found) == pytest.approx(truth, abs=0.03)
    assert truth < 0.7


def test_the_risk_finds_the_best_of_a_family_without_hr(toys: SimpleNamespace) -> None:
    """The gain of Wiener's prior, over four decades: least by the looks where it is least by the clean image."""
    model = LrModel(flat(toys, noise=4.0), SHAPE)
    sharp = torch.from_numpy(np.stack([toys.board(seed) for seed in range(4)]))
    clean = model.blurred(model.grid.pad(sharp))
    y = clean + model.grid.crop(coloured(model.degradation, 4, 6))
    priors = [10.0**power for power in np.arange(-1, 3.01, 0.5)]
    by_looks, by_truth = [], []
    for prior in priors:
        physics = Physics(model.degradation, replace(toys.power_law(), S_mm2=prior * toys.power_law().S_mm2))
        looks = model.looks(y, torch.ones(4, *SHAPE), white(4, 7))
        by_looks.append(model.risk(_StationaryWiener(physics), looks).mean())
        truth = replace(looks, judge=clean, noise_judge=0.0)
        by_truth.append(model.risk(_StationaryWiener(physics), truth).mean())
    assert abs(int(np.argmin(by_looks)) - int(np.argmin(by_truth))) <= 1
    assert 0 < np.argmin(by_truth) < len(priors) - 1
    # What is left between them is chance: the same for all but the part that they differ in.
    assert np.corrcoef(by_looks, by_truth)[0, 1] > 0.9


class _StationaryWiener(Wiener):
    noise_follows_grey = False


@pytest.mark.parametrize("name", ["physics-sde", "unet", "unet-log", "unet-wiener", "cdm", "physics-sde-paper"])
def test_every_learned_restorer_gets_a_gradient(name: str, physics: Physics, toys: SimpleNamespace) -> None:
    restorer = build(name, physics, size="tiny")
    model = LrModel(physics.degradation, SHAPE)
    y = torch.from_numpy(toys.degrade(toys.board(1), physics, 1))[None]
    looks = model.looks(y, torch.from_numpy(model.rms_map(y.numpy())), white(1, 8))
    loss = model.loss(restorer, looks, 2)
    loss.backward()
    assert torch.isfinite(loss)
    assert sum(float(p.grad.abs().sum()) for p in restorer.network.parameters() if p.grad is not None) > 0


def test_what_sigma_1_leaves_out_of_the_noise_of_lr_is_small_where_noise_decides() -> None:
    """The paper's detectors: B_1^2 of the noise of an HR mean of 20 frames, over all of the noise of LR."""
    setup = xsim.recipes.paper()
    lr = setup.lr_response
    between = Degradation.between(setup.hr_response, lr, setup.hr_frames)
    f = between.frequency_lp_mm
    scale, floor = lr.frames_factors(1)
    share = 1 - between.Sigma_1_mm2 / (scale * lr.nnps(f) + floor)
    assert share.max() < 0.09
    assert share[f > 2.0].max() < 0.04
