"""Networks of other packages: what they must say, what is found out about them, what cards remember."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import nn

import xsim_zoo
from xsim.errors import InputError
from xsim_zoo.network.backbone import HostedBackbone, build_backbone, check_backbone, conditions_of
from xsim_zoo.network.unet import build_unet
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.settings import TrainSettings, settings_from
from xsim_zoo.training.train import train
from xsim_zoo.weights.checkpoint import load_checkpoint, save_checkpoint


@xsim_zoo.backbone
class Plain(nn.Module):
    """Two convolutions; ``pooled`` looks at the whole image, ``lazy`` has more to say of itself than is true."""

    stride = 1

    def __init__(self, inputs, conditions, size="4", pooled=False, receptive_px=2):
        super().__init__()
        self.options = {"size": size} | ({"pooled": True} if pooled else {})
        self.pooled, self.receptive_px = pooled, receptive_px
        self.told, self.first = nn.Linear(conditions, 1), nn.Conv2d(inputs, int(size), 3, padding=1)
        self.second = nn.Conv2d(int(size), 1, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, features, conditions):
        x = self.first(features).relu()
        if self.pooled:
            x = x + x.mean(dim=(-2, -1), keepdim=True)
        return self.second(x) * self.told(conditions)[:, :, None, None]


def unmarked(inputs, conditions):
    raise AssertionError("it was called")


@pytest.fixture
def module(monkeypatch):
    """Return the name of a module that holds networks."""
    module = ModuleType("networks_of_mine")
    module.Plain, module.unmarked = Plain, unmarked
    module.nothing = xsim_zoo.backbone(lambda inputs, conditions, size: 3)
    module.coarse = xsim_zoo.backbone(lambda inputs, conditions, size: _with(Plain(inputs, conditions), stride=16))
    module.silent = xsim_zoo.backbone(lambda inputs, conditions, size: nn.Conv2d(inputs, 1, 3))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def _with(network, **attributes):
    for key, value in attributes.items():
        setattr(network, key, value)
    return network


def test_conditions_are_those_that_the_u_net_is_given():
    for link in (False, True):
        for detectors in (False, True):
            network = build_unet(1, "tiny", link_conditioning=link, detector_conditioning=detectors)
            assert conditions_of(link=link, detectors=detectors) == network.conditions


def test_what_a_network_says_of_itself_is_tried(module):
    check_backbone(build_unet(2, "tiny"))
    check_backbone(build_backbone(f"{module}:Plain", 2, {"size": "4"}))
    for wrong in ({"pooled": True}, {"receptive_px": 1}):
        # A margin is rounded up to 8 px, so one pixel less is no lie that matters; a pooling is.
        network = build_backbone(f"{module}:Plain", 2, wrong)
        if "pooled" in wrong:
            with pytest.raises(InputError, match="take no statistic over space"):
                check_backbone(network)
        else:
            check_backbone(network)
    wide = HostedBackbone(
        "a:b", _with(nn.Sequential(), receptive_px=0, stride=8, options={}), 2, link_conditioning=False,
        detector_conditioning=False,
    )  # fmt: skip
    wide.network = _Wide(2)
    with pytest.raises(InputError, match="say a larger receptive_px"):
        check_backbone(wide)


class _Wide(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layer = nn.Conv2d(inputs, 1, 5, padding=2)

    def forward(self, features, conditions):
        return self.layer(features)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("unmarked", "put @xsim_zoo.backbone above"),
        ("absent", "put @xsim_zoo.backbone above"),
        ("nothing", "made a int"),
        ("coarse", "stride of 16 px"),
        ("silent", "receptive_px=None"),
    ],
)
def test_what_is_no_backbone_is_refused(module, name, what):
    with pytest.raises(InputError, match=what):
        build_backbone(f"{module}:{name}", 2, {"size": "4"})


@pytest.mark.parametrize("spec", ["os:system", "nowhere_at_all:f", "os.path", "a b:c", "json:dumps"])
def test_a_spec_calls_nothing_that_is_not_marked(spec):
    with pytest.raises(InputError, match="backbone"):
        build_backbone(spec, 2, {})


def test_sizes_are_names_of_the_factory(module, physics):
    with pytest.raises(InputError, match=r"size=tinny: unknown network size 'tinny': did you mean tiny\?"):
        settings_from(assignments=["size=tinny"])
    settings = settings_from(assignments=[f"backbone={module}:Plain", "size=5"])
    restorer = xsim_zoo.build("unet-wiener", physics, backbone=settings.backbone, size=settings.size)
    assert isinstance(restorer, LearnedRestorer)
    assert restorer.options == {"backbone": f"{module}:Plain", "backbone_options": {"size": "5"}}
    with pytest.raises(InputError, match="does not take"):
        build_backbone(f"{module}:Plain", 2, {"width": 3})


def test_it_trains_resumes_and_is_loaded_by_name(module, pairs, tmp_path, monkeypatch):
    settings = TrainSettings(
        backbone=f"{module}:Plain", size="4", steps=1, batch=2, crops=1, patch=16, validate_images=1, spectrum_images=2,
        detector_conditioning=True,
    )  # fmt: skip
    run = tmp_path / "run"
    train("unet-wiener", pairs, run, settings, device="cpu", quiet=True)
    train("unet-wiener", pairs, run, TrainSettings(steps=2), resume=True, device="cpu", quiet=True)
    card = load_checkpoint(run).card
    assert card.options == {
        "backbone": f"{module}:Plain",
        "backbone_options": {"size": "4"},
        "detector_conditioning": True,
    }
    assert card.packages == {"backbone": module}
    restorer = xsim_zoo.load("unet-wiener", run, device="cpu")
    answer = restorer.restore_array(torch.ones(40, 48))
    assert answer.ndim == 2
    monkeypatch.delitem(sys.modules, module)
    with pytest.raises(InputError, match=rf"network '{module}:Plain' comes with the package {module}.*pip install"):
        xsim_zoo.load("unet-wiener", run, device="cpu")


def test_a_card_names_the_package_of_a_restorer_that_is_not_there(tmp_path):
    checkpoint = load_checkpoint("unet-wiener")
    card = replace(checkpoint.card, restorer="example", packages={"restorer": "xsim-example 1.0"})
    save_checkpoint(tmp_path / "weights.safetensors", card, checkpoint.tensors)
    with pytest.raises(
        InputError, match=r"'example' comes with the package xsim-example 1.0.*pip install xsim-example"
    ):
        xsim_zoo.load("example", tmp_path)
    assert "packages" not in checkpoint.card.to_dict(), "cards of xsim's own stay as they were"
