"""Training batches: in what order samples come, how they are read ahead, every random number they need.

All draws of sample ``k`` of a run come from (seed, k) alone, so a batch is the same whatever the number of processes
and whether the run was resumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim.errors import InputError
from xsim.seeds import generator, torch_seed
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.link import LinkOnGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import link_on
from xsim_zoo.restorers.batch import Batch

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.training.data import PairSource
    from xsim_zoo.training.settings import TrainSettings

__all__ = ["Batches", "Order", "check_patch", "make_batch", "prefetch", "turned"]

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


def _draw(
    seed: int, sample: int, grid: PaddedGrid, crops: int, patch: int
) -> tuple[int, Tensor, Tensor, Callable[[], Tensor]]:
    """Return what is random in one sample: its orientation, u, the corners of its crops, what draws its noise."""
    random = torch.Generator().manual_seed(torch_seed(seed, sample=sample, stage="train"))
    symmetry = int(torch.randint(8, (), generator=random))
    u = torch.rand(2, generator=random)
    room = torch.tensor(grid.shape) - patch + 1
    corners = (torch.rand(crops, 2, generator=random) * room).long() + torch.tensor(grid.offset)
    state = random.get_state()

    def noise() -> Tensor:
        random.set_state(state)
        return torch.randn(1, *grid.padded, generator=random)

    return symmetry, u, corners, noise


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

    Raises
    ------
    InputError
        If the patch does not fit the images.
    """
    grid = PaddedGrid.around((hr.shape[-2], hr.shape[-1]))
    check_patch(patch, grid.shape)
    symmetry, u, corners, noise = zip(*(_draw(seed, sample, grid, crops, patch) for sample in samples), strict=True)
    hr, lr = hr.to(device), lr.to(device)
    pair = grid.pad(torch.stack([turned(torch.stack([x, y]), s) for x, y, s in zip(hr, lr, symmetry, strict=True)]))
    x_0 = pair[:, :1]
    if links is not None:
        x_0 = torch.stack([link.forward(image) for link, image in zip(links, x_0, strict=True)])
    return Batch(
        x_0=x_0,
        y=pair[:, 1:],
        operator=operator,
        u=torch.stack(u).to(device),
        draw_noise=lambda: torch.stack([draw() for draw in noise]).to(device),
        corners=torch.stack(corners),
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
        self._shape, first = PaddedGrid.around(pairs.shape).padded, restorer.physics.link_first
        self._links = [link_on(setup, self._shape, device, first=first) for setup in pairs.setups]
        self._operators: dict[int, Operator] = {}
        self._levels: dict[int, NDArray[np.float64]] = {}

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
