"""The torch twin: noise-free images agree with numpy's, noise in its statistics, batches do not matter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tests.xsim.chain import PITCH_MM, flat, plate, quiet_setup
from xsim.errors import InputError, UnknownNameError
from xsim.grids import radial_mean
from xsim.imaging.exposure import fold
from xsim.imaging.geometry import Geometry
from xsim.imaging.pair import simulate_pair
from xsim.imaging.scatter import Scatter
from xsim.phantoms import Phantom
from xsim.recipes import paper
from xsim_zoo.training.simulation import BatchSimulator, _fold

if TYPE_CHECKING:
    from xsim.imaging.projection import Method
    from xsim.imaging.setup import PairSetup

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def board(seed: int, shape: tuple[int, int] = (96, 126), pixel_mm: float = 0.024) -> Phantom:
    rng = np.random.default_rng(seed)
    maps = np.zeros((3, *shape), np.float32)
    maps[0], maps[1, 20:50, 30:90], maps[2, 60:80, 50:100] = 1.2, 0.07, 0.2
    maps[1] += (rng.random(shape) < 0.1) * np.float32(0.03)
    return Phantom(("FR-4", "Cu", "SAC305"), maps, pixel_mm)


def simulator_of(phantom: Phantom, setup: PairSetup, device: str = "cpu") -> BatchSimulator:
    return BatchSimulator(setup, phantom.materials, phantom.shape, phantom.pixel_mm, device=device)


def maps_of(*phantoms: Phantom) -> torch.Tensor:
    return torch.from_numpy(np.stack([phantom.thickness_mm for phantom in phantoms]))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("pixel_mm", [0.048, 0.024, 0.016])
@pytest.mark.parametrize("method", ["exact", "fast"])
def test_noise_free_images_are_numpys(device: str, pixel_mm: float, method: Method) -> None:
    setup = replace(quiet_setup(), method=method, registration_px=(0.25, -0.5))
    phantom = board(1, pixel_mm=pixel_mm)
    pair = simulate_pair(phantom, setup, 1, clean=True)
    hr, lr = simulator_of(phantom, setup, device).clean(maps_of(phantom))
    for twin, image in ((hr, pair.hr_clean), (lr, pair.lr_clean)):
        assert image is not None
        np.testing.assert_allclose(twin[0, 0].cpu(), image, atol=2e-5)


@pytest.mark.parametrize("step", [2, 3])
def test_folding_is_numpys(step: int) -> None:
    for shape in ((6, 8), (5, 9)):
        spectrum = np.fft.rfft2(np.random.default_rng(1).random((step * shape[0], step * shape[1])))
        twin = _fold(torch.from_numpy(spectrum)[None], shape, step)[0]
        np.testing.assert_allclose(twin, fold(spectrum.astype(np.complex64), shape, step), atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("side", [0, 1], ids=["hr", "lr"])
def test_noise_has_the_models_spectrum(device: str, side: int) -> None:
    setup = replace(quiet_setup(), hr_frames=1)
    phantom, count = flat((256, 256)), 8
    images = simulator_of(phantom, setup, device)(maps_of(*[phantom] * count), 3, range(count))[side]
    spectra = np.fft.rfft2(images[:, 0].cpu().double().numpy() - 1.0, norm="ortho")
    response = setup.lr_response if side else setup.hr_response
    nnps = np.mean(np.abs(spectra) ** 2, axis=0) * PITCH_MM**2
    edges = np.linspace(0.25, 0.5 / PITCH_MM, 16)
    ratio, bins = radial_mean(nnps / response.nnps_map((256, 256)), (256, 256), PITCH_MM, edges)
    assert np.abs((ratio - 1) * np.sqrt(bins / 2 * count)).max() < 3.5


@pytest.mark.parametrize("frames", [1, 20])
def test_noise_behind_metal_is_numpys(frames: int) -> None:
    setup = replace(paper(), hr_frames=frames)
    phantom = plate("Cu", 0.3, (200, 200))
    twins = simulator_of(phantom, setup)(maps_of(phantom, phantom), 1, (0, 1))
    for side, twin in zip(("hr", "lr"), twins, strict=True):
        numpys = np.stack([getattr(simulate_pair(phantom, setup, 1, sample=index), side) for index in (0, 1)])
        assert float(twin.double().var()) == pytest.approx(numpys.astype(float).var(), rel=0.03)
        assert float(twin.double().mean()) == pytest.approx(numpys.astype(float).mean(), rel=2e-3)


def test_a_pair_does_not_depend_on_its_batch() -> None:
    phantoms = [board(seed) for seed in range(3)]
    simulator = simulator_of(phantoms[0], paper())
    together = simulator(maps_of(*phantoms), 7, (4, 5, 6))
    alone = simulator(maps_of(phantoms[1]), 7, (5,))
    for batch, single in zip(together, alone, strict=True):
        torch.testing.assert_close(batch[1:2], single, atol=1e-6, rtol=0)
    again = simulator(maps_of(phantoms[1]), 8, (5,))
    assert not torch.equal(again[0], alone[0])


def test_opaque_objects_and_large_doses_are_finite() -> None:
    phantom = plate("W", 20.0, (64, 64))
    hr, lr = simulator_of(phantom, paper())(maps_of(phantom), 1, (0,))
    assert float(hr.abs().max()) < 0.01
    assert float(lr.abs().max()) < 0.01
    bright = simulator_of(flat((64, 64)), paper(kerma_uGy=1e6))(maps_of(flat((64, 64))), 1, (0,))[0]
    assert torch.isfinite(bright).all()


def test_what_is_left_out_and_what_does_not_fit_is_refused() -> None:
    phantom = board(1)
    for changes in (
        {"scatter": Scatter(0.05)},
        {"noise": "layered"},
        {"geometry": Geometry(falloff=True)},
        {"geometry": Geometry(600.0, 500.0, focal_spot_mm=1.0)},
    ):
        with pytest.raises(InputError, match="leaves out"):
            simulator_of(replace(phantom, pixel_mm=0.02), paper(**changes))
    with pytest.raises(InputError, match="whole fraction"):
        simulator_of(replace(phantom, pixel_mm=0.03), paper())
    with pytest.raises(InputError, match=r"give \(1, 3, 96, 126\)"):
        simulator_of(phantom, paper())(maps_of(board(1, (64, 64))), 1, (0,))
    with pytest.raises(InputError, match="smaller than their own border"):
        simulator_of(flat((20, 200)), paper())
    with pytest.raises(UnknownNameError, match="Unobtanium"):
        simulator_of(replace(phantom, materials=("Unobtanium", "Cu", "Sn")), paper())
