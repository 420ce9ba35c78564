"""The one interface of every restorer."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Unpack

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from xsim.errors import InputError, UnknownNameError, XsimWarning, check_range
from xsim.keywords import names_keywords
from xsim_zoo.process.conditions import Met
from xsim_zoo.process.grid import PaddedGrid, Pixels, blocks
from xsim_zoo.process.link import LinkOnGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.power import RETURNED, return_power
from xsim_zoo.process.preconditioning import Network
from xsim_zoo.process.sampling import NoiseSource, PlacedNoise, time_grid
from xsim_zoo.restorers.restoration import Restoration, RunOptions
from xsim_zoo.restorers.tensors import check_level, check_operator, check_tensor, device_of, image_noise

if TYPE_CHECKING:
    from xsim_datasets.real.corrections import Corrections

__all__ = ["How", "Restoration", "Restorer"]

_RESTORE = "xsim_zoo.run.restore:restore"
"""What `Restorer.restore` calls."""


@dataclass(frozen=True)
class How:
    """How to restore.

    Parameters
    ----------
    steps : int
        Sampling steps; 1 is the answer of highest fidelity.
    eta : float
        0 deterministic, 1 a sample of the posterior.
    sharpness : float
        From the one-step answer (0) to the sampled one (1).
    noise : NoiseSource, optional
        Where noise comes from, on the padded grid; needed for eta > 0.
    """

    steps: int
    eta: float = 0.0
    sharpness: float = 1.0
    noise: NoiseSource | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.steps, (int, np.integer)):
            raise InputError(f"{self.steps} sampling steps: give a whole number")
        time_grid(int(self.steps))
        check_range("eta", self.eta, 0, 1)
        check_range("sharpness", self.sharpness, 0, 1)


class Restorer(ABC):
    """Turns an LR image into an HR image, knowing the physics between the two detectors.

    Parameters
    ----------
    physics : Physics
        Degradation and prior spectrum.
    device : torch device or str
        Where it computes.
    """

    name: ClassVar[str]
    learned: ClassVar[bool] = False
    default_steps: int = 1
    samples: bool = False
    """Whether eta > 0 gives posterior samples."""
    adapts_to_detectors: ClassVar[bool] = True
    """Whether it can be told two other detectors: all that it knows of them are their tables."""
    uses_link: bool = True
    """Whether it works in LR grey through the grey-level link; else it has to find HR grey by itself."""
    noise_follows_grey: ClassVar[bool] = True
    """Whether it expects less noise in a darker image than in the open field."""
    many_detectors: bool = False
    """Whether the weights have learned many pairs of detectors, and so take any pair at any pixel pitch."""
    met: Met | None = None
    """Which detectors the weights have met in training, where their card says it."""
    error_share: float = 0.0
    """Error of its answers over that of the Wiener filter, where it is known: what power they lack follows from it."""
    returned_power: float = RETURNED
    """How much of the way to the truth's power its answers are then taken, from 0 to 1."""
    awaits_detectors: bool = False
    """Whether it cannot restore before `with_physics` has said which of the many detectors it stands between."""

    def __init__(self, physics: Physics, *, device: torch.device | str = "cpu") -> None:
        self.physics = physics
        self.awaits_detectors = False
        self.device = torch.device(device)
        self._operators: dict[tuple[int, int], Operator] = {}
        self._links: dict[tuple[int, int], LinkOnGrid] = {}

    def with_physics(self, physics: Physics) -> Self:
        """Return this restorer between two other detectors, with the same network."""
        other = copy(self)
        Restorer.__init__(other, physics, device=self.device)
        return other

    @property
    def options(self) -> dict[str, Any]:
        """What else the constructor was told, for the card."""
        return {}

    @abstractmethod
    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:
        """Return the sharp image in LR grey (B, 1, H, W) from ``y``, both on the padded grid."""

    def operator(self, shape: tuple[int, int]) -> Operator:
        """Return the operator on a padded grid, with the noise of the open field; the last grid's maps are kept."""
        if shape not in self._operators:
            self._operators = {shape: self.operator_on(shape, self.device)}
        return self._operators[shape]

    def link_on(self, shape: tuple[int, int]) -> LinkOnGrid:
        """Return the physics' link on a padded grid, whether the restorer uses it or not; the last grid's is kept."""
        if shape not in self._links:
            self._links = {shape: self.physics.link_on(shape, self.device)}
        return self._links[shape]

    def operator_on(self, shape: tuple[int, int], device: torch.device | str = "cpu") -> Operator:
        """Return the operator on any grid, evaluated anew: for statistics on a small one beside that of the image."""
        # A network of one pair of detectors has learned what the filter of its own prior leaves, and loses by that of
        # another HR detector. Those that have met many gain, and so does what learns nothing.
        follows = self.many_detectors or not self.learned
        spectrum = self.physics.spectrum if follows else self.physics.spectrum.fixed()
        return self.adapt(Operator.between(self.physics.degradation, spectrum, shape, device=device))

    def noise_level(self, y: ArrayLike | Tensor) -> NDArray[np.float64]:
        """Return the noise power of LR images (..., H, W) that the restorer expects, relative to the open field."""
        grey = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
        if not self.noise_follows_grey:
            return np.ones(grey.shape[:-2])
        return self.physics.degradation.noise_level(grey)

    def adapt(self, operator: Operator) -> Operator:
        """Return the operator as this restorer understands it; most take it as it is."""
        return operator

    @property
    def _own_network(self) -> Network:
        return _no_network

    @names_keywords
    @torch.no_grad()
    def restore_array(
        self,
        y: ArrayLike | Tensor | Pixels,
        *,
        pitch_mm: float | None = None,
        steps: int | None = None,
        eta: float = 0.0,
        sharpness: float = 1.0,
        noise: NoiseSource | None = None,
        network: Network | None = None,
        noise_level: float | None = None,
    ) -> NDArray[np.float32]:
        """Restore one image of any size: a pure function of its arguments.

        Filters and noise act on the whole padded grid up to 64 megapixels, and in blocks with wide margins beyond; the
        network works in tiles that overlap by its receptive field and so leave no seam.

        Parameters
        ----------
        y : (H, W) array or Pixels
            LR image in grey, open field 1.0.
        pitch_mm : float, optional
            Its pixel pitch [mm]; None takes the weights' own.
        steps, eta, sharpness, noise
            See `How`; ``steps`` defaults to the restorer's own. Noise of an image in blocks must be a `PlacedNoise`.
        network : Network, optional
            Evaluates the network in place of the restorer's own in tiles.
        noise_level : float, optional
            Noise power relative to the open field; None takes it from the mean grey of this image. A part of a larger
            image is given the whole one's.

        Returns
        -------
        (H, W) float32 array
            HR image in grey.

        Raises
        ------
        InputError
            If the image is not two-dimensional and finite, its pitch is not the weights', an option is out of range,
            or the weights have learned many detectors and were not told which these are.
        """
        how = How(self.default_steps if steps is None else steps, eta, sharpness, noise)
        self.physics.check_pitch(pitch_mm)
        image = Pixels.of(y)
        grid = PaddedGrid.around(image.shape)
        parts = blocks(grid)
        level = self.mean_noise_level(image) if noise_level is None else noise_level
        answer = np.zeros(image.shape, np.float32)
        for block in parts:
            seen = (grid.sources(axis, span.start, span.stop).numpy() for axis, span in enumerate(block))
            padded = torch.as_tensor(image.part(*seen), device=self.device)[None, None]
            placed = replace(how, noise=_placed(noise, block.corner, several=len(parts) > 1))
            hr = self._restore_block(padded, placed, level, network)
            block.add(hr[0, 0][block.inner].float().cpu().numpy(), answer)
        return answer

    @names_keywords
    def __call__(
        self,
        y: Tensor,
        operator: Operator | None = None,
        *,
        steps: int | None = None,
        eta: float | None = None,
        sharpness: float = 1.0,
        samples: int | None = None,
        seed: int = 0,
        noise: NoiseSource | None = None,
        noise_level: float | Tensor | None = None,
        grey: Literal["hr", "lr"] = "hr",
    ) -> Tensor:
        """Restore a batch of tensors on its device, with gradients with respect to ``y`` and the network's weights.

        Parameters
        ----------
        y : (B, 1, H, W) float32 tensor
            LR images in grey, open field 1.0, on the restorer's device (`to`).
        operator : Operator, optional
            What lies between the detectors, with the noise of the open field, on the padded grid; one for all or for
            each image (`Operator.stack`). None takes the restorer's own.
        steps, sharpness
            See `How`.
        eta : float, optional
            See `How`; None is 0, and 1 for samples.
        samples : int, optional
            How many posterior samples of each image; None for the answer itself.
        seed : int
            Seed of the noise of the first image; the next images have the next seeds.
        noise : NoiseSource, optional
            Noise on the padded grid (B, 1, H', W'), in place of that of ``seed``.
        noise_level : float or (B,) tensor, optional
            Noise power relative to the open field; None takes it from the mean grey of each image, as a constant.
        grey : str
            "hr", or "lr" to leave the answer before the grey-level link is undone.

        Returns
        -------
        (B, 1, H, W) tensor, or (samples, B, 1, H, W)
            HR images in grey.

        Raises
        ------
        InputError
            If tensor, operator and levels do not fit each other or the restorer, or it draws no samples.
        """
        grid = check_tensor(y, self.device)
        if operator is not None:
            check_operator(operator, grid, len(y))
        if grey not in {"hr", "lr"}:
            raise UnknownNameError("grey", grey, ["hr", "lr"])
        if samples is not None and not (self.samples and samples > 0):
            raise InputError(
                f"'{self.name}' was asked for {samples} samples: it draws {'1 or more' * self.samples or 'none'}"
            )
        level = check_level(self.noise_level(y[:, 0]) if noise_level is None else noise_level, len(y), y)
        eta = (0.0 if samples is None else 1.0) if eta is None else eta
        padded, answers = grid.pad(y), []
        for number in range(samples or 1):
            random = noise is None and (samples is not None or eta > 0)
            source = image_noise(seed, number, grid, self.device) if random else noise
            how = How(self.default_steps if steps is None else steps, eta, sharpness, source)
            answer = self._restore_block(padded, how, level, None, operator, linked=grey == "lr")
            answers.append(grid.crop(answer))
        return answers[0] if samples is None else torch.stack(answers)

    def to(self, device: torch.device | str) -> Self:
        """Move to another device and return this restorer, as torch's modules do.

        Raises
        ------
        InputError
            If there is no such kind of device.
        """
        self.device = device_of(device)
        self._operators, self._links = {}, {}
        return self

    def mean_noise_level(self, image: Pixels) -> float:
        """Return the noise power of a whole image that the restorer expects, relative to the open field."""
        return sum(float(self.noise_level(rows)) * len(rows) for rows in image.row_parts()) / image.shape[0]

    def _restore_block(
        self,
        y: Tensor,
        how: How,
        level: float | Tensor,
        network: Network | None,
        operator: Operator | None = None,
        *,
        linked: bool = False,
    ) -> Tensor:
        """Return the HR grey of blocks (B, 1, H, W) of LR grey, or their LR grey, with the noise of the whole image."""
        if self.awaits_detectors:
            raise InputError(
                "these weights have learned many detectors and hold the tables of none: give yours with --detectors, "
                "a file of `xsim calibrate`, or in Python with_physics()"
            )
        several = self.samples and how.steps > 1 and how.eta == 0 and how.sharpness > 0
        unlinked = not self.physics.linked and self.physics.degradation.link.source != "kept"
        if several and self.uses_link and unlinked:
            warnings.warn(
                "these weights have no grey-level link: with eta 0 each step carries the mismatch of the grey levels "
                "on as if it were noise; take --steps 1, eta 1, or weights trained with a link",
                XsimWarning,
                stacklevel=2,
            )
        operator = (operator or self.operator((y.shape[-2], y.shape[-1]))).at_noise_level(level)
        x_0 = self.solve(y, operator, how, network or self._own_network)
        if self.error_share and how.eta == 0:
            x_0 = return_power(x_0, operator, self.error_share, self.returned_power)
        return self.link_on(operator.shape).inverse(x_0) if self.uses_link and not linked else x_0

    def restore(
        self, image: ArrayLike | Path | str, *, corrections: Corrections | None = None, **options: Unpack[RunOptions]
    ) -> Restoration:
        """Restore an array or an image file, and check it against its input.

        Parameters
        ----------
        image : (H, W) array or path
            The LR image.
        corrections : Corrections, optional
            Dark, flat and bad pixels; without any, isolated bad pixels are looked for and repaired.
        **options
            See `xsim_zoo.run.settings.RunSettings`.
        """
        # By name, as an entry point is: what runs and checks a restorer builds on this module, and none may import up.
        restoration: Restoration = resolve_name(_RESTORE)(self, image, corrections=corrections, **options)
        return restoration


def _placed(noise: NoiseSource | None, corner: tuple[int, int], *, several: bool) -> NoiseSource | None:
    """Return the noise of a block: blocks overlap, and must see the same noise at the same place."""
    if isinstance(noise, PlacedNoise):
        return noise.at(corner)
    if noise is not None and several:
        raise InputError("the noise of an image this large must belong to places: give a PlacedNoise")
    return noise


def _no_network(features: Tensor, conditions: Tensor, /) -> Tensor:  # noqa: ARG001
    raise AssertionError("a restorer that does not learn asked for a network")
