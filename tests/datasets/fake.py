"""A maker that costs nothing: for every test that is about storing pairs, not about imaging them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.seeds import generator
from xsim_datasets.recipe.families import split_of_sample
from xsim_datasets.recipe.recipe import Split
from xsim_datasets.store.shards import Label, Plan, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 32


@dataclass(frozen=True)
class FakeMaker:
    """Smooth random images with noise; sample i depends on the seed and i alone."""

    seed: int = 5
    size: int = SIZE
    seconds: float = 0.0

    def sample(self, index: int) -> Sample:
        time.sleep(self.seconds)
        rng = generator(self.seed, sample=index, stage="fake")
        ramp = np.linspace(0.2, 1.0, self.size, dtype=np.float32)
        noise = rng.normal(0.0, 0.01, (2, self.size, self.size)).astype(np.float32)
        return Sample(
            hr=ramp[None, :] * rng.uniform(0.5, 1.0) + noise[0],
            lr=ramp[:, None] * rng.uniform(0.5, 1.0) + noise[1],
            seed=index * 7 + 1,
            family=index * 7 + 1,
            split=split_of_sample(Split(), self.seed, index),
            design="fake",
            numbers={"kerma_uGy": 42.56},
            labels=(Label("ball-void", 3.0, float(index), 0.1, 12.0),) if index % 3 == 0 else (),
        )

    def attributes(self) -> dict[str, Any]:
        return {"pitch_mm": 0.048, "setups": []}

    def tables(self) -> dict[str, NDArray[np.float64]]:
        return {"frequency_lp_mm": np.linspace(0.0, 10.0, 11), "mtf_hr": np.linspace(1.0, 0.1, 11)[None]}


def fake_plan(n: int = 20, *, seed: int = 5, size: int = SIZE, pairs_per_shard: int = 8) -> Plan:
    return Plan(n, size, size, seed, {"name": "fake"}, "0" * 64, pairs_per_shard=pairs_per_shard)
