"""Training batches: in what order samples come, how they are read ahead, every random number they need.

All draws of sample ``k`` of a run come from (seed, k) alone, so a batch is the same whatever the number of processes
and whether the run was resumed.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from xsim.errors import InputError
from xsim.seeds import generator, torch_seed
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.restorers.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from torch import Tensor

    from xsim_zoo.process.link import TorchLink
    from xsim_zoo.process.operator import Operator

__all__ = ["Order", "Prefetch", "check_patch", "make_batch"]


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


class Prefetch:
    """Read ahead on a thread while the network works; what it hands out is in order.

    Parameters
    ----------
    read : callable
        Takes a step, returns its data.
    steps : iterator of int
        The steps in order.
    ahead : int
        How many steps are under way.
    """

    def __init__(self, read: Callable[[int], tuple[Tensor, Tensor]], steps: Iterator[int], *, ahead: int = 3) -> None:
        self._read = read
        self._steps = steps
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="xsim-read")
        self._under_way: list[Future[tuple[Tensor, Tensor]]] = []
        for _ in range(ahead):
            self._submit()

    def _submit(self) -> None:
        step = next(self._steps, None)
        if step is not None:
            self._under_way.append(self._pool.submit(self._read, step))

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Return the next step's data."""
        data = self._under_way.pop(0).result()
        self._submit()
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class _Draws:
    """The random numbers of one sample."""

    u: Tensor
    noise: Tensor
    corners: Tensor
    symmetry: int


def _draw(seed: int, sample: int, grid: PaddedGrid, crops: int, patch: int) -> _Draws:
    random = torch.Generator().manual_seed(torch_seed(seed, sample=sample, stage="train"))
    symmetry = int(torch.randint(8, (), generator=random))
    u = torch.rand(2, generator=random)
    room = torch.tensor(grid.shape) - patch + 1
    corners = (torch.rand(crops, 2, generator=random) * room).long() + torch.tensor(grid.offset)
    return _Draws(u, torch.randn(1, *grid.padded, generator=random), corners, symmetry)


def _turned(images: Tensor, symmetry: int) -> Tensor:
    """Return (H, W) images in one of the eight orientations; rows and columns only swap on square images."""
    turned = images.flip(-1) if symmetry & 1 else images
    turned = turned.flip(-2) if symmetry & 2 else turned
    square = images.shape[-1] == images.shape[-2]
    return turned.transpose(-1, -2) if symmetry & 4 and square else turned


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
    links: Sequence[TorchLink] | None,
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
    links : sequence of TorchLink, optional
        For each sample, takes HR to LR grey; None leaves HR as it is.
    operator : Operator
        The physics on the images' padded grid.

    Raises
    ------
    InputError
        If the patch does not fit the images.
    """
    grid = PaddedGrid.around((hr.shape[-2], hr.shape[-1]))
    check_patch(patch, grid.shape)
    draws = [_draw(seed, sample, grid, crops, patch) for sample in samples]
    hr, lr = hr.to(device), lr.to(device)
    if links is not None:
        hr = torch.stack([link.forward(image) for link, image in zip(links, hr, strict=True)])
    pair = torch.stack([_turned(torch.stack([h, y]), d.symmetry) for h, y, d in zip(hr, lr, draws, strict=True)])
    pair = grid.pad(pair)
    return Batch(
        x_0=pair[:, :1],
        y=pair[:, 1:],
        operator=operator,
        u=torch.stack([d.u for d in draws]).to(device),
        noise=torch.stack([d.noise for d in draws]).to(device),
        corners=torch.stack([d.corners for d in draws]),
        patch=patch,
    )
