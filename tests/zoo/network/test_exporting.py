"""Exported networks answer as torch does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

import xsim_zoo
from xsim.errors import DamageError, UnknownNameError
from xsim_zoo.network import export as exporting

if TYPE_CHECKING:
    from pathlib import Path

    from xsim_zoo.network.unet import UNet
    from xsim_zoo.process.physics import Physics


def speaking(name: str, physics: Physics, *, link_conditioning: bool = False) -> UNet:
    restorer = xsim_zoo.build(name, physics, size="tiny", link_conditioning=link_conditioning)
    generator = torch.Generator().manual_seed(0)
    for parameter in restorer.network.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    return restorer.network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "link_conditioning"),
    [("physics-sde", True), *((name, False) for name in xsim_zoo.names() if xsim_zoo.get(name).learned)],
)
def test_onnx_answers_as_torch(name: str, link_conditioning: bool, physics: Physics, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    exported = exporting.export(speaking(name, physics, link_conditioning=link_conditioning), tmp_path / "net.onnx")
    assert exported.largest_difference <= exporting.TOLERANCE
    assert exported.bytes == (tmp_path / "net.onnx").stat().st_size


def test_an_export_that_differs_is_not_kept(physics: Physics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    monkeypatch.setattr(exporting, "_write_onnx", lambda network, path, card: path.write_bytes(b"something else"))
    monkeypatch.setattr(exporting, "_difference", lambda network, path: float("nan"))
    with pytest.raises(DamageError, match="is off by"):
        exporting.export(speaking("unet", physics), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_refused(physics: Physics, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="onnx"):
        exporting.export(speaking("unet", physics), tmp_path / "net.onnx", "onxx")
