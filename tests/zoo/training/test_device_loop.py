"""The loop that lives on the device, on the CPU: the numbers of the other loop, and nothing that waits."""

from __future__ import annotations

import json
import math
import operator
import signal
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import xsim_zoo
from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim.errors import DamageError, InputError
from xsim_datasets.store.schema import Encoding
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.link import LinkOnGrid
from xsim_zoo.process.links import LinkTables
from xsim_zoo.process.physics import link_on
from xsim_zoo.restorers.batch import Batch
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training import train as training
from xsim_zoo.training.batch import Batches, draws, turned
from xsim_zoo.training.data import Codes, MemoryPairs
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.training.optimiser import Optimiser
from xsim_zoo.training.resident import shelf
from xsim_zoo.training.resident.batches import DeviceBatch, DeviceFeed, placed
from xsim_zoo.training.resident.ledger import Ledger
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.train import measure_physics, train
from xsim_zoo.training.validation import DivergedError
from xsim_zoo.weights.loading import build

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SHORT = TrainSettings(
    size="tiny", steps=6, batch=2, crops=1, patch=32, warmup=1, validate_every=6, save_every=2, validate_images=1
)
LINE = Encoding(1 / 50000, -0.1)


@dataclass(frozen=True)
class CodedPairs(MemoryPairs):
    """Pairs as a store holds them, of two set-ups."""

    other: Degradation | None = None

    @property
    def setups(self) -> Sequence[Degradation]:
        return [self.degradation] if self.other is None else [self.degradation, self.other]

    def setup_of(self, index: int, /) -> int:
        return index % len(self.setups)

    @property
    def codes(self) -> Codes:
        both = np.stack([LINE.encode(self.hr)[0], LINE.encode(self.lr)[0]], axis=1)
        return Codes(lambda indices: both[list(indices)], lambda index: (LINE.scale, LINE.offset))

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        both = LINE.decode(self.codes.read(indices))
        return both[:, 0], both[:, 1]


@pytest.fixture(scope="module")
def coded(pairs: MemoryPairs, toys: SimpleNamespace) -> CodedPairs:
    other = toys.closed_form(GreyLink((0.0, 0.5, 1.0), (0.0, 0.6, 1.0)), noise=1.5, width=3.0)
    return CodedPairs(pairs.hr, pairs.lr, pairs.degradation, 2, other)


def go(name: str, pairs: MemoryPairs, run: Path, *, resume: bool = False, **changes: Any) -> list[float]:
    settings = SHORT.model_copy(update={"validate_every": changes.get("steps", 6), **changes})
    train(name, pairs, run, settings, resume=resume, device="cpu", quiet=True)
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "loss" in record] == list(range(1, settings.steps + 1))
    return [record["loss"] for record in records if "loss" in record]


@pytest.mark.parametrize(("name", "rollout"), [("unet-wiener", 1), ("physics-sde-paper", None)])
def test_without_noise_both_loops_learn_the_same(
    name: str, rollout: int | None, coded: CodedPairs, tmp_path: Path
) -> None:
    """These restorers draw no noise: decoding, links, flips, crops and noise levels are all that could differ."""
    more = {"rollout": rollout, "rollout_steps": 1, "steps": 4}
    host, device = (go(name, coded, tmp_path / loop, loop=loop, **more) for loop in ("host", "device"))
    np.testing.assert_allclose(device, host, rtol=2e-4)
    assert host != [host[0]] * len(host)


def feed_of(pairs: MemoryPairs, **changes: Any) -> DeviceFeed:
    settings = SHORT.model_copy(update=changes)
    restorer = build("physics-sde", measure_physics(pairs), size="tiny")
    return DeviceFeed(pairs, restorer, settings, torch.device("cpu"), lambda step: [0, 1, 2], range(6))


def test_noise_is_white_and_belongs_to_its_sample(coded: CodedPairs) -> None:
    feed = feed_of(coded)
    with feed.shelf:
        first = feed.make(feed.read(0, [7, 8, 9], [0, 1, 2]))
        again = feed.make(feed.read(1, [9, 7], [2, 0]))
    noise = first.draw_noise()
    assert torch.equal(noise, first.draw_noise())
    assert torch.equal(noise[[2, 0]], again.draw_noise()), "whatever stands beside it in the batch"
    bins = noise[0].numel()
    assert noise.mean().abs() < 4 / (3 * bins) ** 0.5
    assert (noise.var() - 1).abs() < 4 * (2 / (3 * bins)) ** 0.5
    between = torch.corrcoef(noise.flatten(1))
    assert (between - torch.eye(3)).abs().max() < 4 / bins**0.5
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean()
    assert neighbours.abs() < 4 / (3 * bins) ** 0.5


def test_states_with_noise_have_the_same_law(coded: CodedPairs) -> None:
    """The noise is another, of the same law: losses on the same samples agree within their own error."""
    restorer = build("physics-sde", measure_physics(coded), size="tiny")
    assert isinstance(restorer, LearnedRestorer)
    device, host = feed_of(coded), Batches(coded, restorer, SHORT, torch.device("cpu"))
    losses, samples = [], range(6)
    with device.shelf, torch.no_grad():
        for epoch in range(12):
            own = [6 * epoch + sample for sample in samples]
            losses.append(
                [float(restorer.loss(feed.make(feed.read(0, own, samples)))) for feed in (host, device)]  # type: ignore[attr-defined]
            )
    pairs = np.array(losses)
    difference = pairs[:, 1] - pairs[:, 0]
    assert difference.all()
    assert abs(difference.mean()) < 3 * difference.std() / len(difference) ** 0.5
    assert difference.std() < 0.5 * pairs.mean()


class Asked(TorchDispatchMode):
    """Notes what makes the host wait for a GPU: reading a number, a choice by content, a copy from the host."""

    waiting = ("_local_scalar_dense", "nonzero", "masked_select", "lift_fresh")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(word in str(func) for word in self.waiting):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [name for name in xsim_zoo.names() if xsim_zoo.get(name).learned])
def test_nothing_in_a_step_waits_for_the_device(name: str, coded: CodedPairs) -> None:
    restorer = build(name, measure_physics(coded), size="tiny")
    assert isinstance(restorer, LearnedRestorer)
    feed = DeviceFeed(coded, restorer, SHORT, torch.device("cpu"), lambda step: [0, 1], range(1))
    with feed.shelf:
        plan = feed.read(0, [0, 1], [0, 1])
        restorer.loss(feed.make(plan))  # what is kept from step to step may be copied in the first
        with Asked() as asked:
            restorer.loss(feed.make(plan)).backward()
            torch.nn.utils.clip_grad_norm_(restorer.network.parameters(), 1.0)
    assert not asked.found
    with Asked() as control:
        assert float(torch.ones(()) + torch.tensor(1.0)) == 2
    assert len(control.found) == 2, "the check sees both kinds"


@pytest.mark.parametrize("shape", [(24, 24), (24, 40)])
def test_images_are_turned_and_padded_at_once(shape: tuple[int, int]) -> None:
    grid = PaddedGrid.around(shape)
    images = torch.rand((8, 2, *shape))
    sources = tuple(grid.sources(axis, -grid.offset[axis], grid.padded[axis] - grid.offset[axis]) for axis in (0, 1))
    found = placed(images, torch.arange(8), grid, sources)
    for turn, image in enumerate(images):
        assert torch.equal(found[turn], grid.pad(turned(image, turn))), turn


def test_crops_are_those_of_the_host(physics: Any) -> None:
    images, corners = torch.rand((3, 2, 40, 48)), torch.tensor([[[0, 0], [8, 16]], [[5, 3], [7, 1]], [[2, 2], [1, 9]]])
    parts = (images, images, None, images, lambda: images, corners, 32, PaddedGrid((40, 48), (40, 48)))
    host, device = (kind(*parts).cut(images) for kind in (Batch, DeviceBatch))  # type: ignore[arg-type]
    assert torch.equal(host, device)
    assert device.is_contiguous(memory_format=torch.channels_last)


def test_links_of_many_setups_are_those_of_each(toys: SimpleNamespace) -> None:
    shape = (40, 48)
    one, two = toys.closed_form(), toys.closed_form(GreyLink((0.0, 0.3, 1.0), (0.0, 0.4, 1.0)))
    blurred = replace(two, mtf_hr=np.exp(-((two.frequency_lp_mm / 8) ** 2)))
    hr = torch.rand((5, 1, *shape)) * 1.4 - 0.2
    for setups in ([one, two], [one, blurred]):
        links = [link_on(setup, shape) for setup in setups]
        which = torch.tensor([1, 0, 1, 1, 0])
        found = LinkTables.stack(links).forward(hr, which)
        for image, number, answer in zip(hr, which.tolist(), found, strict=True):
            torch.testing.assert_close(answer, links[number].forward(image), rtol=0, atol=2e-6)
    assert isinstance(links[0], LinkOnGrid)


@pytest.mark.parametrize("coded_or_not", [True, False])
def test_what_does_not_fit_is_brought_part_by_part(
    coded_or_not: bool, coded: CodedPairs, pairs: MemoryPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = coded if coded_or_not else pairs
    loaded: list[list[int]] = []
    load = shelf.Shelf._load

    def note(self: shelf.Shelf, indices: list[int]) -> shelf.Part:
        loaded.append(indices)
        return load(self, indices)

    monkeypatch.setattr(shelf.Shelf, "_load", note)
    whole = go("physics-sde", source, tmp_path / "whole", loop="device")
    assert loaded == [list(range(6))]
    loaded.clear()
    pair_GiB = 2 * 96 * 96 * (2 if coded_or_not else 4) / 2**30
    parts = go("physics-sde", source, tmp_path / "parts", loop="device", resident_GiB=pair_GiB * 5)
    assert parts == whole
    assert len(loaded) == 6, "a step each"
    assert all(len(indices) == 2 for indices in loaded)


class StoppedError(Exception):
    """Stands for a process that dies."""


@pytest.mark.parametrize("stop", [1, 5])
def test_a_killed_run_resumes_to_the_same_weights(
    stop: int, coded: CodedPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its figures are written some steps later: what was not written yet is taken again."""
    whole = go("physics-sde", coded, tmp_path / "whole", loop="device", log_every=4)
    descend = Optimiser.descend

    def dies(self: Optimiser, number: int, *rest: Any) -> Any:
        if number == stop:
            raise StoppedError
        return descend(self, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Optimiser, "descend", dies)
        with pytest.raises(StoppedError):
            go("physics-sde", coded, tmp_path / "killed", loop="device", log_every=4)
    assert go("physics-sde", coded, tmp_path / "killed", loop="device", log_every=4, resume=True) == whole
    ends = [RunFolder(tmp_path / run).newest_state() for run in ("whole", "killed")]
    assert ends[0] is not None
    assert ends[1] is not None
    assert all(torch.equal(tensor, ends[1][1][name]) for name, tensor in ends[0][1].items())


def test_figures_that_are_read_later_stop_a_run_that_diverges(coded: CodedPairs, tmp_path: Path) -> None:
    """Nobody looks at each step: the log names the first that is not finite, and no state holds its weights."""
    with pytest.raises(DivergedError, match="not finite at step"):
        go("unet", coded, tmp_path, loop="device", log_every=5, lr=1e9, clip=1e12, steps=30, save_every=10)
    newest = RunFolder(tmp_path).newest_state()
    assert newest is None or all(torch.isfinite(tensor).all() for tensor in newest[1].values())
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)


def test_a_ledger_shares_the_time_of_its_steps() -> None:
    ledger = Ledger(3)
    for step in range(1, 4):
        assert not ledger.due
        figures = {"loss": torch.tensor(0.5 / step), "gradient": torch.tensor(1.0), "lr": 1e-3, "seconds": 99.0}
        ledger.add(step, 0.0, figures)
    assert ledger.due
    lines = dict(ledger.lines())
    assert [lines[step]["loss"] for step in (1, 2, 3)] == pytest.approx([0.5, 0.25, 0.5 / 3])
    assert len({figures["seconds"] for figures in lines.values()}) == 1
    assert ledger.loss == pytest.approx(0.5 / 3)
    assert not ledger.due
    assert not list(ledger.lines())


class Two:
    """Stands for this process and another one, which has told its figures: an accelerator that gathers both."""

    num_processes, device = 2, torch.device("cpu")

    def __init__(self, other: list[float]) -> None:
        self.other = torch.tensor([other], dtype=torch.float64)

    def gather(self, own: torch.Tensor) -> torch.Tensor:
        return torch.cat([own, self.other])


def test_a_ledger_merges_what_processes_say() -> None:
    """The loss of a step is that of both halves of its batch, and its time that of the slower one."""
    two = Two([float(signal.SIGTERM), *(0.1, 3.0, 0.25), *(0.5, 1.0, 0.5)])  # loss, seconds, waited of two steps
    ledger = Ledger(2, two)  # type: ignore[arg-type]
    ledger.add(1, 0.0, {"loss": 0.3, "gradient": 7.0, "lr": 1e-3, "seconds": 2.0, "waited": 0.5})
    ledger.add(2, 0.0, {"loss": 0.1, "gradient": 8.0, "lr": 1e-3, "seconds": 2.0, "waited": 0.0})
    (first, one), (second, other) = ledger.lines()
    assert (first, second) == (1, 2)
    assert one.pop("seconds") >= 3.0
    assert one["loss"] == pytest.approx(0.2)
    assert (one["loss_of_0"], one["loss_of_1"]) == (0.3, 0.1)
    assert (one["waited"], one["waited_of_0"], one["waited_of_1"]) == (0.5, 0.5, 0.25)
    assert (one["gradient"], one["lr"], other["gradient"]) == (7.0, 1e-3, 8.0)
    assert other["loss"] == ledger.loss == pytest.approx(0.3)
    assert all(isinstance(value, float) for value in one.values()), "loggers of other packages take numbers"
    assert ledger.signal == signal.SIGTERM, "a signal of one process stops all of them after one step"


def test_a_loss_that_is_not_finite_anywhere_ends_all_processes() -> None:
    ledger = Ledger(1, Two([0.0, math.nan]))  # type: ignore[arg-type]
    ledger.add(1, 0.0, {"loss": 0.3, "lr": 1e-3})
    with pytest.raises(DivergedError, match="not finite at step 1"):
        list(ledger.lines())


def test_the_average_is_the_textbooks(coded: CodedPairs) -> None:
    restorer = build("unet", measure_physics(coded), size="tiny")
    accelerator = training.start_accelerator("cpu")
    optimiser = Optimiser(restorer, SHORT, accelerator)  # type: ignore[arg-type]
    parameter = next(restorer.network.parameters())  # type: ignore[attr-defined]
    expected = None
    for step in range(12):
        with torch.no_grad():
            parameter.add_(0.1 * (step + 1))
        optimiser._ema.update_parameters(restorer.network)  # type: ignore[attr-defined]
        decay = min(SHORT.ema, (1 + step) / (10 + step))
        now = parameter.detach().clone()
        expected = now if expected is None else decay * expected + (1 - decay) * now
    torch.testing.assert_close(next(optimiser.average.network.parameters()), expected)


def test_draws_belong_to_samples() -> None:
    grid = PaddedGrid.around((64, 64))
    many, one = draws(3, range(5, 15), grid, 2, 32), draws(3, [9], grid, 2, 32)
    assert torch.equal(many.u[4], one.u[0])
    assert torch.equal(many.corners[4], one.corners[0])
    assert torch.equal(many.noise((8, 8))[4], one.noise((8, 8))[0])
    assert len(set(many.symmetry.tolist())) > 2


def test_a_device_by_number_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU is here: what is asked of torch and accelerate is looked at."""
    current: list[int] = [0]
    state = SimpleNamespace(device=torch.device("cuda"))
    monkeypatch.setattr(training, "resolve_device", torch.device)
    monkeypatch.setattr(training, "Accelerator", lambda *, cpu: SimpleNamespace(state=state, cpu=cpu))
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: current.__setitem__(0, operator.index(index)))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[0])
    monkeypatch.setattr(training.PartialState, "_shared_state", {})
    assert not training.start_accelerator("cuda:1").cpu
    assert state.device == torch.device("cuda", 1)
    training.start_accelerator("cuda")
    assert state.device == torch.device("cuda", 1), "the current one"
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="is one, and several processes train: give 'cuda'"):
        training.start_accelerator("cuda:1")


def test_pixels_that_are_no_numbers_are_named(pairs: MemoryPairs, tmp_path: Path) -> None:
    lr = pairs.lr.copy()
    lr[1, 5, 5] = np.nan
    with pytest.raises(DamageError, match="sample 1 "):
        go("unet", replace(pairs, lr=lr), tmp_path / "run", loop="device")
