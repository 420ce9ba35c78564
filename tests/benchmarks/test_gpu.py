"""`benchmarks/gpu.py` on a CPU, as small as it goes: every part runs, and predictions follow from what is counted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional

gpu = pytest.importorskip("gpu")
predicted = pytest.importorskip("gpu_predicted")

if TYPE_CHECKING:
    from collections.abc import Sequence


def shown(arguments: Sequence[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--quick", *arguments])
    gpu.main()
    return capsys.readouterr().out


def test_training_and_its_prediction(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(["--only", "training", "padding", "prediction"], capsys, monkeypatch)
    assert "no GPU: cpu" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("tiny")]
    assert [row[1] for row in rows[:2]] == ["channels_last", "contiguous"]
    assert all(float(row[4]) > 0 for row in rows[:2])
    assert "PREDICTION by counting, not measured" in text
    eager, floor = (float(word) for word in rows[2][4:6])
    assert 0 < eager <= floor


@pytest.mark.slow
def test_every_part_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown([], capsys, monkeypatch)
    assert all(f"({part}: " in text for part in gpu.PARTS)
    curve = next(line for line in text.splitlines() if line.startswith("unet-wiener"))
    assert abs(float(curve.split("first step ")[1])) < 1e-4


def test_kernels_are_counted_with_their_bytes_and_operations() -> None:
    x, weight = torch.rand(2, 3, 10, 10), torch.rand(4, 3, 3, 3)
    with predicted.Counting() as counting:
        y = functional.conv2d(x, weight)
        y.view(-1)
        y.add_(1.0)
    convolution, addition = counting.found.kernels
    assert convolution == (4.0 * (x.numel() + weight.numel() + y.numel()), 2.0 * 27 * y.numel(), True)
    assert addition[:2] == (8.0 * y.numel(), 0.0)
    card = predicted.Card(1e9 / predicted.BANDWIDTH_SHARE, 1e12)
    work = predicted.Counted([(1e6, 0.0, False), (0.0, 0.0, False)])
    assert predicted.predicted_ms(work, card) == pytest.approx(1.0 + 1e3 * predicted.SHORTEST_S)
    many = predicted.Counted([(0.0, 0.0, False)] * 1000)
    assert predicted.predicted_ms(many, card) == pytest.approx(1e6 * predicted.LAUNCH_S), "bound by launches"
    assert predicted.predicted_ms(work.scaled(3), card) == pytest.approx(3.0 + 1e3 * predicted.SHORTEST_S)
