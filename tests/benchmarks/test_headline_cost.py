"""What a restoration costs: operations grow with pixels and passes; seconds are measured of everyone."""

from __future__ import annotations

import numpy as np
import pytest

from xsim_zoo.evaluation import Competitor
from xsim_zoo.network.unet import build_unet
from xsim_zoo.weights.loading import load

cost = pytest.importorskip("headline_cost")


def test_operations_of_a_network_scale_with_the_pixels():
    network = build_unet(2, "tiny")
    once = cost.flop_a_pass(network, (64, 64))
    assert cost.flop_a_pass(network, (128, 192)) == pytest.approx(6 * once, rel=0.02)
    assert cost.flop_a_pass(build_unet(2, "small"), (64, 64)) > 2 * once


def test_operations_of_a_convolution_are_two_for_each_weight_and_place():
    network = build_unet(2, "tiny")
    counted = 0
    for name, layer in network.named_modules():
        if hasattr(layer, "kernel_size"):
            level = {"encoder": 0, "decoder": 0, "up": 1, "down": 1, "bottom": 2}.get(name.split(".")[0], 0)
            if name.split(".")[0] != "bottom" and name.split(".")[0] in {"encoder", "decoder", "up", "down"}:
                level += int(name.split(".")[1])
            counted += 2 * layer.weight.numel() * (128 // 2 >> level) ** 2
    assert cost.flop_a_pass(network, (128, 128)) == pytest.approx(counted, rel=0.01)


def test_three_steps_cost_three_times_one_and_flips_eight_times():
    restorer = load("physics-sde", device="cpu")
    once = cost.mflop_a_pixel(restorer, 1)
    assert once > 0
    assert cost.mflop_a_pixel(restorer, 3) == pytest.approx(3 * once)
    assert cost.mflop_a_pixel(restorer, 3, flips=True) == pytest.approx(24 * once)
    # Regression passes once, however many steps are asked for.
    assert cost.passes_of(load("unet", device="cpu"), 3) == 1
    assert cost.mflop_a_pixel(load("wiener", device="cpu"), 1) == 0


def test_everyone_is_timed_on_one_image():
    asked = [Competitor("wiener"), Competitor("physics-sde", steps=3, label="three"), Competitor("unet")]
    found = cost.costs_of(asked, np.ones((40, 50), np.float32), cost.Trial(side_px=64, repeats=1))
    assert list(found) == ["wiener", "three", "unet"]
    assert all(one.s_mp > 0 for one in found.values())
    assert found["three"].mflop_px > 2 * found["unet"].mflop_px > found["wiener"].mflop_px == 0
