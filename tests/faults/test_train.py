"""`xsim zoo train`: whatever ends it, resuming walks on to the same weights, bit for bit."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.every_step import FAULTS, Fault, contents, failing_at_every_step, leftovers
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.programs import Ended, Programs

SETTINGS = [
    "size=tiny", "batch=2", "crops=1", "patch=32", "warmup=1", "validate_images=1", "validate_every=2", "save_every=2",
]  # fmt: skip


def train(store: Path, run: Path, steps: int) -> list[str]:
    settings = [word for setting in (*SETTINGS, f"steps={steps}") for word in ("--set", setting)]
    return ["zoo", "train", "physics-sde", "--data", str(store), "-o", str(run), "--device", "cpu", "--json", *settings]


def outcome(run: Path) -> dict[str, str]:
    """Return the digests of what a run leaves, without what says how long it took, which no two runs share."""
    return {name: digest for name, digest in contents(run).items() if name not in {"log.jsonl", "weights.json"}}


def check_goes_on(programs: Programs, arguments: list[str], run: Path, wanted: dict[str, str]) -> None:
    resumed = programs.run([*arguments, "--resume"] if (run / "run.json").exists() else arguments)
    assert resumed.code == 0, resumed.err
    assert outcome(run) == wanted
    assert load_checkpoint(run).card.digest == wanted["weights.safetensors"]
    assert not leftovers(run)


@pytest.fixture(scope="module")
def wanted(programs: Programs, store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    run = tmp_path_factory.mktemp("whole") / "run"
    ended = programs.run(train(store, run, 4))
    assert ended.code == 0, ended.err
    return outcome(run)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_step_may_fail(
    programs: Programs,
    store: Path,
    wanted: dict[str, str],
    tmp_path: Path,
    injected: Callable[..., None],
    fault: Fault,
) -> None:
    def command(folder: Path) -> list[str]:
        return train(store, folder / "run", 4)

    for folder, _ in failing_at_every_step(programs, command, tmp_path, fault):
        injected(f"zoo train: {fault}")
        check_goes_on(programs, command(folder), folder / "run", wanted)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_stopped_at_random_moments(
    programs: Programs, store: Path, tmp_path: Path, injected: Callable[..., None], number: signal.Signals
) -> None:
    whole = programs.run(train(store, tmp_path / "whole", 20))
    assert whole.code == 0, whole.err
    moments = random.Random(int(number))
    for attempt in range(6):
        run = tmp_path / f"run-{attempt}"
        stopped = stop(programs, train(store, run, 20), moments.uniform(0.05, whole.seconds), number)
        injected(f"zoo train: {number.name} at a random moment", stopped.code != 0)
        check_goes_on(programs, train(store, run, 20), run, outcome(tmp_path / "whole"))


def stop(programs: Programs, arguments: list[str], moment: float, number: signal.Signals) -> Ended:
    ended = programs.run(arguments, kill_after_s=moment, number=number)
    ended.check_manners()
    codes = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
    assert ended.code in {codes[number], 0}, ended
    return ended
