"""A process that has imported everything and forks one program an order: a start costs nothing, so every step can fail.

It reads orders as JSON lines on its standard input and answers each with the way in which the program ended. It has
one thread and has computed nothing but pixels when it forks, so the children are as good as started afresh.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from tests.faults.plants import Plant, plant

POLL_S = 0.002


def warm() -> None:
    """Import what the commands import, and load the compiled code of the phantoms."""
    import tempfile
    from pathlib import Path

    import accelerate
    import tensorstore
    import torch._dynamo

    import xsim_cli.dataset
    import xsim_cli.zoo.commands
    import xsim_datasets.pictures
    import xsim_datasets.store.executors
    import xsim_zoo.run.files
    import xsim_zoo.training.train
    from xsim_datasets.recipe.recipe import load_recipe
    from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
    from xsim_datasets.store.executors import Serial
    from xsim_datasets.store.writer import make_store

    assert all((accelerate, tensorstore, torch, xsim_cli, xsim_datasets, xsim_zoo))
    recipe = load_recipe("tiny", n=2, size_px=32)
    drawn = plan_of(recipe, 0)
    with tempfile.TemporaryDirectory() as folder:
        make_store(SimulatedMaker(recipe, drawn.seed), drawn, str(Path(folder) / "a.zarr"), executor=Serial())


def child(order: dict[str, Any]) -> None:
    """Become the program of an order; never come back."""
    os.setsid()
    for number, name in ((1, "stdout"), (2, "stderr")):
        handle = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(order["folder"])
    os.environ.update(order["environment"])
    from xsim_cli.app import main
    from xsim_datasets.store import executors

    # The fork has the pool's place: whatever fails, fails in the process that is watched.
    executors.ProcessPool.run = executors.Serial.run  # type: ignore[assignment]
    code = 0
    try:
        plant(Plant(**order["plant"]))
        main(order["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever escapes the program is a finding
        import traceback

        traceback.print_exc()
        code = 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def watch(pid: int, order: dict[str, Any]) -> dict[str, Any]:
    """Wait for a child, and kill it where the order says so."""
    began = time.monotonic()
    killed = False
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        seconds = time.monotonic() - began
        if found:
            return {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "killed": killed}
        if seconds > min(order["kill_after_s"] or order["timeout_s"], order["timeout_s"]) and not killed:
            os.killpg(pid, order["signal"])
            killed = True
        time.sleep(POLL_S)


def main() -> None:
    """Serve orders until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warm()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            child(order)
        print(json.dumps(watch(pid, order)), file=answers, flush=True)


if __name__ == "__main__":
    main()
