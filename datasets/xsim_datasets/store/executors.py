"""Who runs the tasks: this process, a pool of processes with one thread each, or the workers of a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_sentinel
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol, TypeVar

from xsim.errors import EnvironmentFaultError, ExtraMissingError, InputError, XsimError
from xsim.files.whole import disk_fault
from xsim.keywords import names_keywords

__all__ = ["DaskCluster", "Executor", "ProcessPool", "Serial", "check_may_start_workers"]

Result = TypeVar("Result")

# How often a task whose worker died is tried again: a lost machine is survived, a shard that is too large for the
# workers' memory does not go round for ever.
_RETRIES = 3
# Less than this is no room: a process writes a few kilobytes to start.
_LEAST_ROOM_BYTES = 2**16
_GUARD = "put what that file runs under `if __name__ == '__main__':`"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "BLOSC_NTHREADS")


class Executor(Protocol):
    """Runs a function on tasks, in any order.

    Attributes
    ----------
    workers : int
        How many tasks run at a time, so that a store's shards are cut into enough of them; 1 takes whole shards.
    """

    workers: int

    def run(self, function: Callable[[Any], Result], tasks: Iterable[Any]) -> Iterator[Result]:
        """Yield the results as they come."""


class Serial:
    """Runs the tasks in this process, one after another: for tests, and for debugging a maker."""

    workers: int = 1

    def run(self, function: Callable[[Any], Result], tasks: Iterable[Any]) -> Iterator[Result]:
        """Yield the results in order."""
        for task in tasks:
            yield function(task)


@names_keywords
class ProcessPool:
    """Runs the tasks in fresh processes, one thread each, so that the answer does not depend on the core count.

    Parameters
    ----------
    workers : int
        How many processes.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, function: Callable[[Any], Result], tasks: Iterable[Any]) -> Iterator[Result]:
        """Yield the results as they come; a worker that dies ends the run.

        Raises
        ------
        InputError
            If no worker could start, as where a script without ``if __name__ == "__main__":`` calls this.
        EnvironmentFaultError
            If a worker was killed, naming it and its signal; or if the disk refused it what it needs, before the
            function itself could say so.
        """
        check_may_start_workers()
        others = set(multiprocessing.active_children())
        children: set[BaseProcess] = set()  # noted here, so that a dead one can still be named
        waiting: set[Future[Result]] = set()
        context = multiprocessing.get_context("spawn")
        arrivals, arrived = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_start_worker, initargs=(arrived,))
        finished = False
        with arrivals, arrived, _single_threaded_children():
            try:
                for task in tasks:
                    with _interrupts_held():
                        waiting.add(pool.submit(_run_packed, pickle.dumps((function, task))))
                    children |= set(multiprocessing.active_children()) - others
                    # Two tasks a worker keep it busy; a million futures would only fill the memory.
                    while len(waiting) >= 2 * self.workers:
                        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in done)
                yield from (future.result() for future in as_completed(waiting))
                finished = True
            except OSError as error:
                if isinstance(error, XsimError):
                    raise
                where = Path(error.filename or tempfile.gettempdir())
                raise disk_fault(where, error, advice=", then run again with --resume") from error
            except BrokenProcessPool as error:
                pool.shutdown(wait=True)  # only then is it known how each of them ended
                raise _death(children, any_started=arrivals.poll()) from error
            finally:
                if not finished:
                    # Ctrl-C, an error, or a caller who stops asking: nobody waits for the rest.
                    for child in children:
                        child.kill()
                pool.shutdown(wait=True, cancel_futures=True)


def _run_packed(packed: bytes) -> Any:
    """Unpack a function and its task here and run it.

    What unpacking imports may fail, of a full disk for example. Outside the function the pool would take that for the
    death of the worker, with a traceback and without a cause.
    """
    function, task = pickle.loads(packed)  # noqa: S301  (what this program packed itself)
    return function(task)


def check_may_start_workers() -> None:
    """Refuse to start workers in a process that is itself one that starts: every worker would start its own.

    Raises
    ------
    InputError
        If a worker imports a script whose main part has no guard.
    """
    # What multiprocessing itself asks, and answers with three paragraphs about frozen programs.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise InputError(f"workers import the file that started them anew: {_GUARD}")


def _death(children: Iterable[BaseProcess], *, any_started: bool) -> XsimError:
    """Return the error that says which worker died, and of what."""
    # What a new process imports before anything else; nothing where Python was given its program as text.
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    # The pool ends the survivors with SIGTERM itself; the one that died otherwise is the culprit.
    for child in children:
        if child.exitcode is not None and child.exitcode not in (0, -signal.SIGTERM):
            cause = signal.Signals(-child.exitcode).name if child.exitcode < 0 else f"exit code {child.exitcode}"
            died = f"worker process {child.pid} died ({cause})"
            if full := _full_disk():
                return EnvironmentFaultError(
                    f"{died}: no space left on {full}: make room, then run again with --resume"
                )
            if child.exitcode > 0 and not any_started and script:
                return InputError(f"{died} while it imported {script}, which failed: {_GUARD}")
            return EnvironmentFaultError(f"{died}: check memory and disks, then run again with --resume")
    return EnvironmentFaultError("a worker process died: check memory, then run again with --resume")


def _full_disk() -> Path | None:
    """Return the folder that has no room left, of those that processes need to start."""
    for folder in (Path(tempfile.gettempdir()), Path.cwd(), Path("/dev/shm")):  # noqa: S108  (locks lie there)
        with suppress(OSError):
            if shutil.disk_usage(folder).free < _LEAST_ROOM_BYTES:
                return folder
    return None


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Let processes that start meanwhile use one thread in every library."""
    saved = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let processes that start meanwhile never see Ctrl-C, not even while they import; ours comes afterwards.

    Windows has no such masks: a worker that is hit while it imports dies, and the run ends as Ctrl-C asked.
    """
    if sys.platform == "win32":
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _start_worker(arrived: Connection) -> None:
    """Say that this process is up, leave Ctrl-C to the parent, and die with it."""
    arrived.send_bytes(b".")
    arrived.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # numcodecs makes a lock when it is imported; in this context it leaves nothing to clean up in a killed process.
    if "fork" in multiprocessing.get_all_start_methods():
        multiprocessing.set_start_method("fork", force=True)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    wait_for_sentinel([sentinel])
    os._exit(1)


@names_keywords
class DaskCluster:
    """Runs the tasks on the workers of a Dask scheduler; one whose worker dies is tried again on another.

    Workers need xsim of the same version and must reach the store: a shared file system, or an object store.

    Parameters
    ----------
    address : str
        Address of the scheduler, e.g. ``tcp://host:8786``; ``local:N`` starts N workers on this machine.

    Raises
    ------
    ExtraMissingError
        If Dask distributed is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed  # noqa: PLC0415 - an extra: only those who have a cluster need it
        except ImportError as error:
            raise ExtraMissingError("distributed", "cluster") from error
        self._distributed: Any = distributed
        # Pieces would go over the network twice, and clusters are for stores of many shards.
        self.workers = 1
        self._address = address

    def run(self, function: Callable[[Any], Result], tasks: Iterable[Any]) -> Iterator[Result]:
        """Yield the results as they come; the task of a worker that died goes to another.

        Raises
        ------
        EnvironmentFaultError
            If the scheduler cannot be reached, or a task's workers died again and again.
        """
        with self._client() as client:
            submit = partial(client.submit, function, retries=_RETRIES, pure=False)
            workers = max(len(client.scheduler_info(n_workers=-1)["workers"]), 1)
            source = iter(tasks)
            # A few tasks a worker are on their way at any time: the scheduler holds no million of them.
            completed = self._distributed.as_completed([submit(task) for task in islice(source, 4 * workers)])
            for future in completed:
                try:
                    yield future.result()
                except self._distributed.KilledWorker as error:
                    raise EnvironmentFaultError(
                        "the cluster's workers died over one shard again and again: "
                        "give them more memory, then --resume"
                    ) from error
                for task in islice(source, 1):
                    completed.add(submit(task))

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """Yield a client of the scheduler; a cluster that was started for it ends with it."""
        kind, _, count = self._address.partition(":")
        with ExitStack() as stack:
            try:
                scheduler: Any = self._address
                if kind == "local":
                    scheduler = stack.enter_context(
                        self._distributed.LocalCluster(
                            n_workers=int(count or 2), threads_per_worker=1, processes=True, dashboard_address=None
                        )
                    )
                client = stack.enter_context(self._distributed.Client(scheduler, timeout="20s"))
            except (OSError, TimeoutError, ValueError) as error:
                raise EnvironmentFaultError(f"{self._address}: no scheduler answers there: check --cluster") from error
            yield client
