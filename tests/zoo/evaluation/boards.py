"""A store of small boards made by the shipped weights' own physics: for every test that is about judging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim_datasets.store.executors import Serial
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.shards import Plan, Sample
from xsim_datasets.store.writer import make_store
from xsim_zoo.evaluation.probes.mismatch import Mismatch, degraded
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 96


@dataclass(frozen=True)
class BoardMaker:
    """Rectangles of a few greys; the first two samples are for training, and two samples are a family."""

    swapped: bool = False

    def sample(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        hr = np.ones((SIDE, SIDE), np.float32)
        for _ in range(14):
            top, left = rng.integers(0, SIDE, 2)
            height, width = rng.integers(2, 30, 2)
            hr[top : top + height, left : left + width] *= np.float32(rng.uniform(0.6, 0.95))
        lr = degraded(hr, load_checkpoint("physics-sde").physics.degradation, Mismatch(), rng)
        images = (lr, hr) if self.swapped else (hr, lr)
        side = "train" if index < 2 else "test"
        return Sample(*images, seed=index, family=500 + index // 2, split=side, design="rectangles")

    def attributes(self) -> dict[str, Any]:
        degradation = load_checkpoint("physics-sde").physics.degradation
        return {"pitch_mm": degradation.pitch_mm, "setups": [{"degradation": degradation.to_dict()}]}

    def tables(self) -> dict[str, NDArray[np.float64]]:
        return {}


def board_store(path: Path, maker: BoardMaker, n: int = 8) -> PairStore:
    """Make a store of ``n`` pairs, all but two of them in the test split."""
    plan = Plan(n, SIDE, SIDE, 5, {"name": "rectangles"}, "0" * 64, origin="real", pairs_per_shard=8)
    make_store(maker, plan, str(path), executor=Serial())
    return PairStore.open(path)
