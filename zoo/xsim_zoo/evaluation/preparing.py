"""What is checked and decided before anything is computed: entrants, leaks, orientation, physics of the probes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xsim.errors import InputError, XsimError
from xsim.recipes import paper
from xsim_datasets.real.registration import detail_ratio
from xsim_zoo.evaluation.bench import Bench, measured_spectrum, repeats, simulator
from xsim_zoo.evaluation.entrants import Ready
from xsim_zoo.evaluation.leakage import check_leak
from xsim_zoo.evaluation.provenance import identity_of
from xsim_zoo.weights.loading import resolve_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim.imaging.setup import PairSetup
    from xsim_datasets.store.reader import PairStore
    from xsim_zoo.evaluation.entrants import Entrant
    from xsim_zoo.evaluation.options import Options

__all__ = ["Prepared", "prepare"]

_ORIENTATION_PAIRS = 8
_LIKENESS = 0.03
"""Largest difference of B_1 up to 6 lp/mm between weights and a set-up that may stand for theirs."""


@dataclass(frozen=True)
class Prepared:
    """A bench, and what was found out on the way.

    Parameters
    ----------
    bench : Bench
        What jobs need.
    leaks : dict of label to text
        How leaks were ruled out.
    notes : dict of str to str
        What stands for the reference, and which physics the probes have.
    """

    bench: Bench
    leaks: dict[str, str]
    notes: dict[str, str]


def prepare(store: PairStore, entrants: tuple[Entrant, ...], options: Options, device: str) -> Prepared:
    """Check everything that can be checked beforehand.

    Raises
    ------
    InputError
        If the split is empty, HR and LR are swapped, a pitch does not fit, or a restorer has seen a judged board.
    XsimError
        If weights cannot be loaded.
    """
    place = str(resolve_device(device))
    samples = _samples(store, options)
    ready = [Ready.load(entrant, place) for entrant in entrants]
    for item in ready:
        item.restorer.physics.check_pitch(store.pitch_mm)
    leaks = {item.entrant.label: check_leak(item, store, options.split, samples) for item in ready}
    _check_orientation(store, samples)
    clean, reference = _reference(store, samples[0], wanted=options.clean)
    setup, physics = _setup(store, samples[0], ready[0])
    bench = Bench(store, entrants, options, place, measured_spectrum(store, samples), clean, setup, tuple(samples))
    bench = replace(bench, identity=identity_of(bench))
    return Prepared(bench, leaks, {"reference of power": reference, "physics of probes": physics})


def _samples(store: PairStore, options: Options) -> list[int]:
    samples = [int(index) for index in store.indices(options.split)][: options.images]
    if not samples:
        raise InputError(f"{store.path}: the split '{options.split}' is empty: give another --split, or more pairs")
    return samples


def _check_orientation(store: PairStore, samples: Sequence[int]) -> None:
    """Refuse a store whose LR images hold more detail than its HR images."""
    ratios = [detail_ratio(*store.read(sample)) for sample in samples[:_ORIENTATION_PAIRS]]
    if np.median(ratios) < 1:
        raise InputError(
            f"{store.path}: LR holds {1 / float(np.median(ratios)):.2g} times the fine detail of HR: they look swapped"
        )


def _reference(store: PairStore, sample: int, *, wanted: bool) -> tuple[bool, str]:
    """Return whether clean HR images can be had, and what power is compared with."""
    if not wanted:
        return False, "HR as stored, noise included (clean images were not asked for)"
    maker = simulator(store)
    if maker is None:
        return False, "HR as stored, noise included (these pairs cannot be simulated again)"
    try:
        same = repeats(maker, store, sample)
    except XsimError:
        same = False
    if not same:
        return False, "HR as stored, noise included (this xsim simulates other pairs than the store holds)"
    return True, "HR simulated without noise"


def _setup(store: PairStore, sample: int, ready: Ready) -> tuple[PairSetup | None, str]:
    """Return the set-up of the probes: the data's own, or the paper's where it is the weights'."""
    maker = simulator(store)
    if maker is not None:
        number = maker.setup_number(sample)
        return maker.setup(number), f"set-up {number} of the data"
    usual = paper()
    own, other = ready.restorer.physics.degradation, usual.degradation()
    frequency = np.linspace(0.0, 6.0, 25)
    curves = [np.interp(frequency, item.frequency_lp_mm, item.B_1) for item in (own, other)]
    alike = abs(own.pitch_mm / other.pitch_mm - 1) < 0.01 and float(np.abs(curves[0] - curves[1]).max()) < _LIKENESS
    if alike:
        return usual, "the paper's set-up, which has the blur of the weights"
    return None, "none: the pairs are real, and no simulated set-up has the blur of the weights"
