"""Training batches: in what order samples come, how they are read ahead, every random number they need.

All draws of sample ``k`` of a run come from (seed, k) alone, so a batch is the same whatever the number of processes
and whether the run was resumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim.errors import InputError
from xsim.seeds import generator, torch_seeds
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.link import LinkOnGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import link_on
from xsim_zoo.restorers.batch import Batch
from xsim_zoo.training.data import read_pairs
from xsim_zoo.training.parts.augment import Augmentation

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.training.data import PairSource
    from xsim_zoo.training.settings import TrainSettings

__all__ = ["Batches", "Draws", "Order", "check_patch", "draws", "make_batch", "prefetch", "turned"]

Data = TypeVar("Data")


@dataclass(frozen=True)
class Order:
    """The order in which a run sees its samples: a new permutation each epoch, from the seed alone."""

    indices: tuple[int, ...]
    seed: int

    def __getitem__(self, sample: int) -> int:
        """Return the index in the data set of the run's sample number ``sample``."""
        epoch, place = divmod(sample, len(self.indices))
        return self.indices[_permutation(len(self.indices), self.seed, epoch)[place]]


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> list[int]:
    return [int(place) for place in generator(seed, sample=epoch, stage="order").permutation(count)]


@contextmanager
def prefetch(read: Callable[[int], Data], steps: Iterable[int], *, ahead: int = 3) -> Iterator[Iterator[Data]]:
    """Yield an iterator over the data of steps, in order, that reads ahead on a thread while the network works.

    Parameters
    ----------
    read : callable
        Takes a step, returns its data.
    steps : iterable of int
        The steps in order.
    ahead : int
        How many steps are under way.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="xsim-read")

    def data() -> Iterator[Data]:
        waiting = iter(steps)
        under_way = deque(pool.submit(read, step) for step in islice(waiting, ahead))
        while under_way:
            found = under_way.popleft().result()
            under_way.extend(pool.submit(read, step) for step in islice(waiting, 1))
            yield found

    try:
        yield data()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Draws:
    """What is random in some samples, except for their noise.

    Parameters
    ----------
    symmetry : (B,) tensor
        Orientations, 0 to 7, see `turned`.
    u : (B, 2) tensor
        Uniform numbers, for times.
    corners : (B, crops, 2) tensor
        First row and column of each crop on the padded grid.
    states : sequence of tensors
        Where each sample's generator stands, from which its noise is drawn.
    """

    symmetry: Tensor
    u: Tensor
    corners: Tensor
    states: Sequence[Tensor]

    def noise(self, shape: tuple[int, int]) -> Tensor:
        """Return white noise (B, 1, H', W') on the padded grid, the same at each call."""
        random = torch.Generator()
        return torch.stack([torch.randn(1, *shape, generator=random.set_state(state)) for state in self.states])


def draws(seed: int, samples: Sequence[int], grid: PaddedGrid, crops: int, patch: int) -> Draws:
    """Return what is random in samples, given by their numbers in the run; each sample's from (seed, number) alone."""
    room, random = torch.tensor(grid.shape) - patch + 1, torch.Generator()
    symmetry, u, corners, states = [], [], [], []
    for own in torch_seeds(seed, samples, stage="train"):
        random.manual_seed(own)
        symmetry.append(torch.randint(8, (), generator=random))
        u.append(torch.rand(2, generator=random))
        corners.append((torch.rand(crops, 2, generator=random) * room).long() + torch.tensor(grid.offset))
        states.append(random.get_state())
    return Draws(torch.stack(symmetry), torch.stack(u), torch.stack(corners), states)


def turned(images: Tensor, symmetry: int) -> Tensor:
    """Return (H, W) images in one of the eight orientations; rows and columns only swap on square images."""
    answer = images.flip(-1) if symmetry & 1 else images
    answer = answer.flip(-2) if symmetry & 2 else answer
    square = images.shape[-1] == images.shape[-2]
    return answer.transpose(-1, -2) if symmetry & 4 and square else answer


def check_patch(patch: int, shape: tuple[int, int]) -> None:
    """Accept crops with a side of ``patch`` [px] of images of a shape (H, W).

    Raises
    ------
    InputError
        If they are larger than the images.
    """
    if patch > min(shape):
        raise InputError(f"patch {patch} does not fit images of {shape[0]} x {shape[1]} px: give a smaller one")


def make_batch(
    hr: Tensor,
    lr: Tensor,
    *,
    samples: Sequence[int],
    seed: int,
    crops: int,
    patch: int,
    links: Sequence[LinkOnGrid] | None,
    operator: Operator,
    device: torch.device | str = "cpu",
    augmentation: Augmentation | None = None,
) -> Batch:
    """Make a batch of stored pairs.

    Parameters
    ----------
    hr, lr : (B, H, W) tensors
        Stored images.
    samples : sequence of int
        Number of each sample in the run, which its random numbers belong to.
    seed : int
        Seed of the run.
    crops, patch : int
        Crops of each image and their side [px].
    links : sequence of LinkOnGrid, optional
        For each sample, takes HR to LR grey on the padded grid; None leaves HR as it is.
    operator : Operator
        The physics on the images' padded grid.
    augmentation : Augmentation, optional
        What is done to pairs; None turns them.

    Raises
    ------
    InputError
        If the patch does not fit the images.
    """
    grid = PaddedGrid.around((hr.shape[-2], hr.shape[-1]))
    check_patch(patch, grid.shape)
    drawn = draws(seed, samples, grid, crops, patch)
    hr, lr = hr.to(device), lr.to(device)
    pairs = torch.stack([hr, lr], dim=1)
    if augmentation is not None:
        pairs = augmentation.changed(pairs, seed, samples)
        drawn = replace(drawn, symmetry=augmentation.orientations(drawn.symmetry))
    pair = grid.pad(torch.stack([turned(both, s) for both, s in zip(pairs, drawn.symmetry.tolist(), strict=True)]))
    x_0 = pair[:, :1]
    if links is not None:
        x_0 = torch.stack([link.forward(image) for link, image in zip(links, x_0, strict=True)])
    return Batch(
        x_0=x_0,
        y=pair[:, 1:],
        operator=operator,
        u=drawn.u.to(device),
        draw_noise=lambda: drawn.noise(grid.padded).to(device),
        corners=drawn.corners,
        patch=patch,
        grid=grid,
    )


class Batches:
    """Makes batches of pairs, each sample with the physics of its own set-up and the noise of its own grey.

    Parameters
    ----------
    pairs : PairSource
        The pairs.
    restorer : Restorer
        What learns from them.
    settings : TrainSettings
        Seed, crops and patch.
    device : torch device
        Where it computes.
    """

    def __init__(self, pairs: PairSource, restorer: Restorer, settings: TrainSettings, device: torch.device) -> None:
        self._pairs, self._restorer, self._settings, self._device = pairs, restorer, settings, device
        self._augmentation = Augmentation.of(settings.augment)
        self._shape, first = PaddedGrid.around(pairs.shape).padded, restorer.physics.link_first
        self._links = [link_on(setup, self._shape, device, first=first) for setup in pairs.setups]
        self._operators: dict[int, Operator] = {}
        self._levels: dict[int, NDArray[np.float64]] = {}

    def read(
        self,
        step: int,  # noqa: ARG002  (every feed is told)
        samples: Sequence[int],
        indices: Sequence[int],
    ) -> tuple[Sequence[int], Sequence[int], Tensor, Tensor]:
        """Return what `make` takes for some samples; on a thread of its own."""
        return samples, indices, *read_pairs(self._pairs, indices)

    def make(self, data: tuple[Sequence[int], Sequence[int], Tensor, Tensor]) -> Batch:
        """Return the batch of what `read` returned."""
        return self.of(*data)

    def of(self, samples: Sequence[int], indices: Sequence[int], hr: Tensor, lr: Tensor) -> Batch:
        """Return the batch of samples: their numbers in the run, their places in the data, HR and LR (B, H, W)."""
        setups = [self._pairs.setup_of(index) for index in indices]
        same = len(set(setups)) == 1
        operator = self._operator(setups[0]) if same else Operator.stack([self._operator(s) for s in setups])
        if self._restorer.noise_follows_grey:
            levels = [self._noise_level(index, y) for index, y in zip(indices, lr, strict=True)]
            operator = operator.at_noise_level(torch.as_tensor(np.stack(levels)))
        return make_batch(
            hr,
            lr,
            samples=samples,
            seed=self._settings.seed,
            crops=self._settings.crops,
            patch=self._settings.patch,
            links=[self._links[setup] for setup in setups] if self._restorer.uses_link else None,
            operator=operator,
            device=self._device,
            augmentation=self._augmentation,
        )

    def _noise_level(self, index: int, y: Tensor) -> NDArray[np.float64]:
        """Return the noise level of an image; it is seen in every epoch, and worked out once."""
        if index not in self._levels:
            setup = self._pairs.setups[self._pairs.setup_of(index)]
            self._levels[index] = np.asarray(setup.noise_level(y.numpy()))
        return self._levels[index]

    def _operator(self, setup: int) -> Operator:
        if setup not in self._operators:
            spectrum = self._restorer.physics.spectrum
            operator = Operator.between(self._pairs.setups[setup], spectrum, self._shape, device=self._device)
            self._operators[setup] = self._restorer.adapt(operator)
        return self._operators[setup]
