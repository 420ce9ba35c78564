"""What every piece of an evaluation works on: the data, who takes part, and the physics that judges them.

All that can be checked beforehand is checked by `prepare`: leaks, orientation, pitches, the physics of the probes.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from xsim._version import __version__
from xsim.degradation.degradation import Degradation
from xsim.errors import InputError
from xsim.imaging.setup import PairSetup
from xsim.measure.similarity import DATA_RANGE
from xsim.recipes import paper
from xsim_datasets.real.registration import detail_ratio
from xsim_zoo.evaluation.competitor import Answering, Competitor, ImageItself, LoadedCompetitor
from xsim_zoo.evaluation.records import INPUT, LEAK_UNKNOWN, LEFT_OUT, TRUTH, CompetitorRecord, Provenance
from xsim_zoo.evaluation.scores import BORDER_PX
from xsim_zoo.process.physics import Physics, in_lr_grey
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.registry import get
from xsim_zoo.weights.families import seen
from xsim_zoo.weights.loading import resolve_device

if TYPE_CHECKING:
    from xsim_zoo.evaluation.options import Options
    from xsim_zoo.evaluation.pairs import EvaluationData, HeldOutPair

__all__ = ["EvaluationContext", "check_leak", "prepare", "provenance_of"]

_SPECTRUM_IMAGES = 32
"""Sharp images whose mean is the spectrum of the data: more take time, fewer lean on single boards."""

_ORIENTATION_PAIRS = 8
"""Pairs of which the median must hold more detail in HR than in LR; single dull ones may not."""

_SAME_BLUR = 0.03
"""Largest difference of B_1 up to 6 lp/mm between weights and a set-up that may stand for theirs."""

_KEPT = 32
"""Restorers told of a set-up that a process keeps: each holds the maps of its operator, some 10 MB."""

T = TypeVar("T")

_PACKAGES = ("torch", "numpy", "scipy", "zarr", "safetensors")


@dataclass(frozen=True, eq=False)
class EvaluationContext:
    """Everything that a job needs, small enough to be sent to another process.

    Parameters
    ----------
    source : EvaluationData
        The data.
    competitors : tuple of Competitor
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
    probed : int or None
        The sample whose set-up that is; None where the set-up is not of the data.
    samples : tuple of int
        The judged samples.
    notes : dict of str to str
        What was decided on the way, for the document.
    leaks : dict of label to str
        How leaks were ruled out.
    identity : str
        Digest of all that findings depend on: a worker that has this context keeps it, with what it built on it.
    """

    source: EvaluationData
    competitors: tuple[Competitor, ...]
    options: Options
    device: str
    spectrum: RadialSpectrum | None
    clean: bool
    setup: PairSetup | None
    probed: int | None
    samples: tuple[int, ...]
    notes: dict[str, str] = field(default_factory=dict)
    leaks: dict[str, str] = field(default_factory=dict)
    identity: str = ""

    def loaded(self, label: str) -> LoadedCompetitor:
        """Return the competitor of a label, loaded, with the detectors of its weights."""
        asked = next(competitor for competitor in self.competitors if competitor.label == label)
        return replace(asked.load(self.device), seed=self.options.seed)

    def told(self, label: str, sample: int) -> LoadedCompetitor:
        """Return the competitor of a label as it restores a sample: told its detectors where it can be."""
        key = (label, self.source.setup_of(sample))
        return self._kept(key, lambda: self.loaded(label).between(self.source.degradation_of(sample)))

    def answering(self, label: str, sample: int | None = None) -> Answering:
        """Return who answers under a label: on a sample of the data, or on the probes' set-up."""
        if label in {INPUT, TRUTH}:
            return ImageItself(label)
        sample = self.probed if sample is None else sample
        return self.loaded(label) if sample is None else self.told(label, sample)

    def samples_of(self, label: str) -> list[int]:
        """Return the samples that a competitor is judged on: those whose pitch it can take."""
        if label in {INPUT, TRUTH}:
            return list(self.samples)
        return [sample for sample in self.samples if self._fits(label, self.source.pitch_of(sample), sample)]

    def fits_probes(self, label: str) -> bool:
        """Say whether a competitor can take the pitch of the probes' set-up."""
        return self.setup is not None and self._fits(label, self.setup.pitch_mm, self.probed)

    def _fits(self, label: str, pitch_mm: float, sample: int | None) -> bool:
        asked = self.loaded(label)
        if asked.adapts and asked.any_pitch and sample is not None and self.source.degradation_of(sample) is not None:
            return True
        return asked.restorer.physics.is_pitch(pitch_mm)

    def pair(self, sample: int, *, clean: bool = True) -> HeldOutPair:
        """Read a pair and, if ``clean`` is wanted and possible, simulate its HR image without noise."""
        return self.source.read(sample, clean=clean and self.clean)

    @property
    def probe_setup(self) -> PairSetup:
        """The set-up that probes are simulated with."""
        assert self.setup is not None, "a simulated probe is only asked where there is a set-up"
        return self.setup

    def judge_of(self, sample: int, label: str) -> Restorer:
        """Return whose physics judges answers for a sample: the data's own, or else the restorer's.

        The LR image is then judged by the physics of the restorer that is first by name, whatever the order of the
        arguments.
        """
        spectrum = self.spectrum
        if spectrum is None:
            return self.loaded(label if label != INPUT else min(one.label for one in self.competitors)).restorer

        def judge() -> Restorer:
            degradation = self.source.degradation_of(sample)
            assert degradation is not None, "data of a known spectrum know their detectors"
            return get("wiener")(Physics(degradation, spectrum), device=self.device)

        return self._kept(self.source.setup_of(sample), judge)

    def _kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for a key before, or make it and forget the oldest of too many."""
        if key not in self._made:
            self._made[key] = make()
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        found: T = self._made[key]
        return found

    @cached_property
    def _made(self) -> OrderedDict[Hashable, Any]:
        return OrderedDict()

    def __reduce__(self) -> tuple[object, ...]:
        return _known, tuple(getattr(self, name) for name in self.__dataclass_fields__)


_contexts: dict[str, EvaluationContext] = {}


def _known(*parts: Any) -> EvaluationContext:
    """Return the context of these parts; the one that arrived before if it has the same identity and competitors."""
    context = EvaluationContext(*parts)
    key = f"{context.identity}{context.competitors}"
    if key not in _contexts:
        _contexts.clear()
        _contexts[key] = context
    return _contexts[key]


def prepare(
    source: EvaluationData, competitors: tuple[Competitor, ...], options: Options, device: str
) -> EvaluationContext:
    """Check everything that can be checked beforehand, and decide what the numbers will refer to.

    Raises
    ------
    InputError
        If the split is empty, HR and LR are swapped, no pitch fits, or a restorer has seen a judged board.
    XsimError
        If weights cannot be loaded.
    """
    samples = source.samples(options.split)[: options.images]
    if not samples:
        raise InputError(f"{source.path}: the split '{options.split}' is empty: give another --split, or more pairs")
    place = str(resolve_device(device))
    context = EvaluationContext(source, competitors, options, place, None, False, None, None, tuple(samples))
    notes = _left_out(context)
    leaks = {one.label: check_leak(context.loaded(one.label), source, options.split, samples) for one in competitors}
    _check_orientation(source, samples)
    reason = source.no_clean(samples[0]) if options.clean else "clean images were not asked for"
    reference = f"HR as stored, noise included ({reason})" if reason else "HR simulated without noise"
    setup, probed, physics = _probe_setup(context)
    context = replace(
        context,
        spectrum=_measured_spectrum(source, samples),
        clean=not reason,
        setup=setup,
        probed=probed,
        notes={"reference of power": reference, "physics of probes": physics, **notes},
        leaks=leaks,
    )
    return replace(context, identity=_identity_of(context))


def _left_out(context: EvaluationContext) -> dict[str, str]:
    """Return the note on who is not judged on which share of the images, if any; who fits none is refused."""
    said = []
    for competitor in context.competitors:
        fitting = context.samples_of(competitor.label)
        if not fitting:
            context.loaded(competitor.label).restorer.physics.check_pitch(context.source.pitch_of(context.samples[0]))
        if len(fitting) < len(context.samples):
            missing = len(context.samples) - len(fitting)
            said.append(f"{competitor.label} on {missing} of {len(context.samples)} images")
    return {LEFT_OUT: "; ".join(said)} if said else {}


def check_leak(loaded: LoadedCompetitor, source: EvaluationData, split: str, samples: Sequence[int]) -> str:
    """Return how it is known that weights have not seen the judged boards, or that it is not known.

    Parameters
    ----------
    loaded : LoadedCompetitor
        Restorer and card.
    source : EvaluationData
        The data to judge on.
    split : str
        Which split of them.
    samples : sequence of int
        The judged samples.

    Raises
    ------
    InputError
        If a judged board was in the training data, naming the sample.
    """
    label, data = loaded.label, loaded.card.data
    if not loaded.restorer.learned:
        return "nothing is learnt from boards but their mean spectrum"
    if data.get("digest") == source.digest:
        if split != "test":
            raise InputError(
                f"'{label}' was trained on this very store, whose split '{split}' it has seen: judge it on 'test', "
                "or on other data"
            )
        return "held-out split of its own training data"
    if "families" not in data:
        return LEAK_UNKNOWN
    families = {source.family_of(sample): sample for sample in reversed(samples)}
    leaked = seen(data["families"], families)
    if leaked:
        sample = min(families[family] for family in leaked)
        raise InputError(
            f"'{label}' has learnt from {len(leaked)} of the {len(families)} board families of split '{split}', "
            f"the first is sample {sample}: judge it on boards that it has not seen"
        )
    return "no family in common with its training data"


def _check_orientation(source: EvaluationData, samples: Sequence[int]) -> None:
    """Refuse data whose LR images hold more detail than their HR images."""
    pairs = [source.read(sample, clean=False) for sample in samples[:_ORIENTATION_PAIRS]]
    ratio = float(np.median([detail_ratio(pair.hr, pair.lr) for pair in pairs]))
    if ratio < 1:
        raise InputError(f"{source.path}: LR holds {1 / ratio:.2g} times the fine detail of HR: they look swapped")


def _measured_spectrum(source: EvaluationData, samples: Sequence[int]) -> RadialSpectrum | None:
    """Return the spectrum of sharp images in LR grey; None where the data say nothing of their detectors."""
    images, detectors = [], []
    for sample in samples[:_SPECTRUM_IMAGES]:
        degradation = source.degradation_of(sample)
        if degradation is None:
            return None
        hr = torch.as_tensor(source.read(sample, clean=False).hr)
        images.append(in_lr_grey(hr, degradation))
        detectors.append(degradation)
    return RadialSpectrum.measure(images, [detector.pitch_mm for detector in detectors], detectors)


def _probe_setup(context: EvaluationContext) -> tuple[PairSetup | None, int | None, str]:
    """Return the set-up of the probes: that of the first sample, or the paper's where it is everybody's."""
    sample = context.samples[0]
    setup = context.source.pair_setup_of(sample)
    if setup is not None:
        return setup, sample, f"set-up {context.source.setup_of(sample)} of the data"
    usual = paper()
    physics = [context.told(one.label, sample).restorer.physics.degradation for one in context.competitors]
    if all(_same_blur(own, usual.degradation()) for own in physics):
        return usual, None, "the paper's set-up, which has the blur of the weights"
    return None, None, "none: the pairs are real, and no simulated set-up has the blur of the weights"


def _same_blur(own: Degradation, other: Degradation) -> bool:
    frequency = np.linspace(0.0, 6.0, 25)
    curves = [np.interp(frequency, item.frequency_lp_mm, item.B_1) for item in (own, other)]
    apart = float(np.abs(curves[0] - curves[1]).max())
    return abs(own.pitch_mm / other.pitch_mm - 1) < 0.01 and apart < _SAME_BLUR


def _identity_of(context: EvaluationContext) -> str:
    """Return a digest of all that every finding depends on, besides the restorer that it is about."""
    options = context.options.to_dict()
    # These say nothing about a finding: one which findings there are, one what is made of them.
    decided = {key: value for key, value in options.items() if key not in {"sections", "resamples"}}
    setup = None if context.setup is None else context.setup.to_dict()
    parts = [context.source.digest, decided, context.clean, setup, context.device, __version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def provenance_of(context: EvaluationContext, seconds: float) -> Provenance:
    """Return data, competitors, settings and versions."""
    return Provenance(
        data=context.source.describe(context.options.split, context.samples),
        contenders=tuple(_record_of(context, one.label) for one in context.competitors),
        settings={**context.options.to_dict(), **context.notes},
        versions={
            "xsim": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        device=context.device,
        data_range=DATA_RANGE,
        border_px=BORDER_PX,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )


def _record_of(context: EvaluationContext, label: str) -> CompetitorRecord:
    loaded = context.loaded(label)
    card, asked = loaded.card, loaded.competitor
    own = card.restorer == asked.restorer
    return CompetitorRecord(
        label=label,
        restorer=asked.restorer,
        weights=loaded.path.name if own else f"physics of {loaded.path.stem}",
        digest=card.digest or hashlib.sha256(json.dumps(card.physics, sort_keys=True).encode()).hexdigest(),
        parameters=card.parameters if loaded.restorer.learned else 0,
        steps=loaded.steps,
        eta=asked.eta,
        sharpness=asked.sharpness,
        linked=loaded.restorer.uses_link and loaded.restorer.physics.linked,
        learned=loaded.restorer.learned,
        trained_on=str(card.data.get("name", "")),
        trained_pairs=card.data.get("pairs"),
        trained_steps=card.training.get("steps"),
        leak=context.leaks[label],
        flips=asked.flips,
    )
