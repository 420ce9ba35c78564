"""The bench that every worker stands at: the data, the entrants, and the physics that judges them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xsim.errors import InputError
from xsim_datasets.recipe.recipe import Recipe
from xsim_datasets.recipe.simulated import SimulatedMaker
from xsim_zoo.evaluation.entrants import Ready
from xsim_zoo.evaluation.judging import Pair
from xsim_zoo.process.link import TorchLink
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.restorers.registry import get

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim.degradation.degradation import Degradation
    from xsim.imaging.setup import PairSetup
    from xsim_datasets.store.reader import PairStore
    from xsim_zoo.evaluation.entrants import Entrant
    from xsim_zoo.evaluation.options import Options
    from xsim_zoo.restorers.base import Restorer

__all__ = ["Bench", "measured_spectrum", "repeats", "simulator"]

_SPECTRUM_IMAGES = 32


@dataclass(frozen=True, eq=False)
class Bench:
    """Everything that a job needs, small enough to be sent to another process.

    Parameters
    ----------
    store : PairStore
        The data.
    entrants : tuple of Entrant
        Who takes part.
    options : Options
        How.
    device : str
        Where restorers compute.
    spectrum : RadialSpectrum or None
        Power spectrum of the data's sharp images in LR grey; None where the data bring no physics.
    clean : bool
        Whether the data can be simulated again without noise.
    setup : PairSetup or None
        The set-up that probes are simulated with.
    samples : tuple of int
        The judged samples.
    identity : str
        Digest of all this: a worker that has this bench keeps it, with what it has built on it.
    """

    store: PairStore
    entrants: tuple[Entrant, ...]
    options: Options
    device: str
    spectrum: RadialSpectrum | None
    clean: bool
    setup: PairSetup | None
    samples: tuple[int, ...]
    identity: str = ""

    def ready(self, label: str) -> Ready:
        """Return the entrant of a label, loaded."""
        return Ready.load(next(entrant for entrant in self.entrants if entrant.label == label), self.device)

    def pair(self, sample: int, *, clean: bool = True) -> Pair:
        """Read a pair and, if ``clean`` is wanted and possible, simulate its HR image without noise."""
        hr, lr = self.store.read(sample)
        for name, image in (("HR", hr), ("LR", lr)):
            if not np.isfinite(image).all():
                raise InputError(f"{self.store.path}: the {name} image of sample {sample} is not finite")
        row = {name: column[sample] for name, column in self.store.table.items()}
        return Pair(
            lr=lr,
            hr=hr,
            clean=self._maker.noise_free(sample)[0] if clean and self.clean and self._maker else None,
            sample=sample,
            family=str(int(row["family"])),
            design=str(row["design"]),
            setup=int(row["setup"]),
            kerma_uGy=float(row["kerma_uGy"]) if "kerma_uGy" in row else None,
            pitch_mm=self.store.pitch_mm,
        )

    def physics_for(self, sample: int, ready: Ready | None) -> Restorer:
        """Return whose physics judges answers for a sample: the data's own, or else the restorer's."""
        if self.spectrum is None:
            return (ready or self.ready(self.entrants[0].label)).restorer
        setup = int(self.store.table["setup"][sample])
        if setup not in self._judges:
            physics = Physics(self.store.degradation_of(sample), self.spectrum)
            self._judges[setup] = get("wiener")(physics, device=self.device)
        return self._judges[setup]

    @cached_property
    def _judges(self) -> dict[int, Restorer]:
        return {}

    @cached_property
    def _maker(self) -> SimulatedMaker | None:
        return simulator(self.store)

    def __reduce__(self) -> tuple[object, ...]:
        return _known, tuple(getattr(self, name) for name in self.__dataclass_fields__)


_benches: dict[str, Bench] = {}


def _known(*parts: Any) -> Bench:
    """Return the bench of these parts; the one that arrived before if it has the same identity."""
    bench = Bench(*parts)
    if bench.identity not in _benches:
        _benches.clear()
        _benches[bench.identity] = bench
    return _benches[bench.identity]


def measured_spectrum(store: PairStore, samples: Sequence[int]) -> RadialSpectrum | None:
    """Return the spectrum of sharp images in LR grey; None where the store says nothing of its detectors."""
    if not store.attributes["setups"]:
        return None
    images: list[torch.Tensor] = []
    detectors: list[Degradation] = []
    for sample in samples[:_SPECTRUM_IMAGES]:
        degradation = store.degradation_of(sample)
        images.append(TorchLink.sampled(degradation.link).forward(torch.as_tensor(store.read(sample)[0])))
        detectors.append(degradation)
    return RadialSpectrum.measure(images, [detector.pitch_mm for detector in detectors], detectors)


def simulator(store: PairStore) -> SimulatedMaker | None:
    """Return what made a simulated store, if it can make it again here; None for real pairs and foreign recipes."""
    if store.origin != "simulated":
        return None
    try:
        recipe = Recipe.model_validate(store.attributes["plan"]["recipe"])
        return SimulatedMaker(recipe, int(store.attributes["plan"]["seed"]))
    except ValueError:
        return None


def repeats(maker: SimulatedMaker, store: PairStore, sample: int) -> bool:
    """Say whether the simulation gives the stored pair again, so that its noise-free twin is its own."""
    made = maker.sample(sample)
    # Made by the same code, the two differ by no more than rounding to codes.
    step = store.encoding.scale
    return all(
        _within(stored, image, step) for stored, image in zip(store.read(sample), (made.hr, made.lr), strict=True)
    )


def _within(stored: NDArray[np.float32], made: NDArray[np.float32], step: float) -> bool:
    return bool(np.max(np.abs(stored - made)) <= step)
