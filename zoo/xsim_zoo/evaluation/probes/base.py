"""What every probe is made of: its declaration, and simulated shots on the set-up of the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

import xsim
from xsim.imaging.projection import project
from xsim.phantoms import Phantom, View, flat
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import torch_seed
from xsim_zoo.evaluation.records import Row
from xsim_zoo.evaluation.results import Section

if TYPE_CHECKING:
    from xsim.imaging.setup import PairSetup
    from xsim_zoo.evaluation.competitor import Answering
    from xsim_zoo.evaluation.context import EvaluationContext
    from xsim_zoo.evaluation.scores import Scoreboard

__all__ = ["BOARD", "SIDE_PX", "TRACK_MM", "Derived", "Probe", "ProbeSetup", "ProbeShot"]

SIDE_PX = 256
"""Side of a probe's image [px]."""

BOARD = ("FR-4", 1.6)
"""The plate that every probe lies on: material and thickness [mm]."""

TRACK_MM = 0.035
"""Thickness of a copper track [mm]."""

_OVERSAMPLING = 2
"""Pixels of a phantom to one of the detector, as data sets are simulated."""


class Derived(Section):
    """A section that follows from the scores of the images."""

    @abstractmethod
    def derive(self, board: Scoreboard) -> tuple[Row, ...]:
        """Return the rows."""


class Probe(Section):
    """A section that asks restorers for answers.

    Attributes
    ----------
    beside : tuple of str
        Which of the two images are asked beside the restorers.
    cost : int
        About how many images of 512 x 512 pixels each restores, for the time left.
    simulated : bool
        Whether it needs a set-up to simulate with.
    samplers_only : bool
        Whether it asks only restorers that draw posterior samples.
    """

    beside: ClassVar[tuple[str, ...]] = ()
    cost: ClassVar[int] = 10
    simulated: ClassVar[bool] = True
    samplers_only: ClassVar[bool] = False

    @abstractmethod
    def measure(self, context: EvaluationContext, asked: Answering) -> Sequence[Row]:
        """Return the rows about one who is asked."""


@dataclass(frozen=True)
class ProbeShot:
    """One simulated pair.

    Parameters
    ----------
    number : int
        Which shot of its probe it is: seed of a restorer's own noise.
    lr, hr : (H, W) float32 arrays
        The images.
    clean : (H, W) float32 array
        HR without noise.
    """

    number: int
    lr: NDArray[np.float32]
    hr: NDArray[np.float32]
    clean: NDArray[np.float32]

    def answer_of(self, asked: Answering) -> NDArray[np.float32]:
        """Return the answer (H, W) of one who is asked."""
        return asked.answer(self.lr, self.hr, self.number)


@dataclass(frozen=True)
class ProbeSetup:
    """The set-up that a probe is simulated on.

    Parameters
    ----------
    setup : PairSetup
        Beam, detectors, dose.
    seed : int
        Seed of all shots of one probe.
    """

    setup: PairSetup
    seed: int

    @classmethod
    def of(cls, context: EvaluationContext, probe: str) -> ProbeSetup:
        """Return the set-up as one probe uses it, with a seed of its own."""
        return cls(context.probe_setup, torch_seed(context.options.seed, stage=f"probe-{probe}"))

    @property
    def pixel_mm(self) -> float:
        """Pixel of the phantoms, in the object [mm]."""
        return self.setup.pitch_mm / (self.setup.geometry.magnification * _OVERSAMPLING)

    @property
    def detector_pixel_mm(self) -> float:
        """Detector's pixel in the object [mm]."""
        return self.pixel_mm * _OVERSAMPLING

    def view(self, side_px: int = SIDE_PX) -> View:
        """Return the view that fills an image of ``side_px`` pixels a side."""
        return View((side_px * _OVERSAMPLING, side_px * _OVERSAMPLING), self.pixel_mm)

    def target(
        self, name: str, *, side_px: int = SIDE_PX, material: str = "Cu", thickness_mm: float, angle_deg: float
    ) -> Phantom:
        """Draw a test target on the board's plate."""
        shape = self.view(side_px).shape
        return xsim.phantoms.target(
            name, shape, self.pixel_mm, angle_deg=angle_deg, material=material, thickness_mm=thickness_mm, backing=BOARD
        )

    def plate(self, side_px: int = SIDE_PX) -> Phantom:
        """Draw nothing but the board's plate."""
        maps = np.full((1, *self.view(side_px).shape), BOARD[1], np.float32)
        return Phantom((BOARD[0],), maps, self.pixel_mm, "plate", "probe", None, (), (0.5 * BOARD[1],))

    def board(self) -> Scene:
        """Return a scene that holds the board's plate, which reaches beyond the image on all sides."""
        side = 4.0 * SIDE_PX * self.detector_pixel_mm
        scene = Scene()
        scene.layer(Layer(BOARD[0], BOARD[1], 0.0, [flat.box(0.0, 0.0, side, side)]))
        return scene

    def draw(self, scene: Scene, name: str) -> Phantom:
        """Draw a scene as a phantom."""
        materials, maps, heights = scene.render(self.view())
        return Phantom(materials, maps, self.pixel_mm, name, "probe", None, (), heights)

    def shoot(self, phantom: Phantom, number: int, *, dose: float = 1.0) -> ProbeShot:
        """Take shot number ``number`` of a phantom, at ``dose`` times the set-up's."""
        setup = self.setup if dose == 1.0 else replace(self.setup, kerma_uGy=self.setup.kerma_uGy * dose)
        pair = xsim.simulate_pair(phantom, setup, self.seed, sample=number, clean=True)
        assert pair.hr_clean is not None
        return ProbeShot(number, pair.lr, pair.hr, pair.hr_clean)

    def grey_step(self, thickness_mm: NDArray[np.floating], material: str = "Cu") -> NDArray[np.float64]:
        """Return the HR grey behind layers (n,) on the plate, over that of the plate alone."""
        layers = np.concatenate([[0.0], np.asarray(thickness_mm, dtype=np.float64)])
        maps = np.stack([np.full_like(layers, BOARD[1]), layers]).astype(np.float32)[:, None]
        (beam,) = project(Phantom((BOARD[0], material), maps, self.pixel_mm), [self.setup.hr_response])
        return np.asarray(beam.grey[0, 1:] / beam.grey[0, 0], dtype=np.float64)

    def thickness_for(self, contrast: float, material: str = "Cu") -> float:
        """Return the thickness [mm] behind which HR grey falls by ``contrast``, as a share of the plate's grey."""
        thickness = np.geomspace(1e-4, 10.0, 200)
        return float(np.interp(contrast, 1.0 - self.grey_step(thickness, material), thickness))
