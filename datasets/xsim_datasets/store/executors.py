"""Who runs the tasks: this process, a pool of processes with one thread each, or the workers of a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for_sentinel
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from xsim.errors import EnvironmentFaultError, ExtraMissingError, XsimError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.process import BaseProcess

__all__ = ["DaskCluster", "Executor", "ProcessPool", "Serial"]

Result = TypeVar("Result")

# How often a task whose worker died is tried again: a lost machine is survived, a shard that is too large for the
# workers' memory does not go round for ever.
_RETRIES = 3
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "BLOSC_NTHREADS")


class Executor(Protocol):
    """Runs a function on tasks, in any order."""

    def run(self, function: Callable[[Any], Result], tasks: Iterable[Any]) -> Iterator[Result]:
        """Yield the results as they come."""


class Serial:
    """Runs the tasks in this process, one after another: for tests, and for debugging a maker."""

    def run(self, function: Callable[[Any], Result], tasks: Iterable[Any]) -> Iterator[Result]:
        """Yield the results in order."""
        for task in tasks:
            yield function(task)


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
        EnvironmentFaultError
            If a worker was killed, naming it and its signal.
        """
        children: set[BaseProcess] = set()
        pool = ProcessPoolExecutor(
            self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
        )
        finished = False
        with _single_threaded_children():
            try:
                yield from self._results(pool, function, tasks, children)
                finished = True
            except BrokenProcessPool as error:
                pool.shutdown(wait=True)  # only then is it known how each of them ended
                raise EnvironmentFaultError(_obituary(children)) from error
            finally:
                if not finished:
                    # Ctrl-C, an error, or a caller who stops asking: nobody waits for the rest.
                    for child in children:
                        child.kill()
                pool.shutdown(wait=True, cancel_futures=True)

    def _results(
        self,
        pool: ProcessPoolExecutor,
        function: Callable[[Any], Result],
        tasks: Iterable[Any],
        children: set[BaseProcess],
    ) -> Iterator[Result]:
        """Yield results and note the pool's processes in ``children``: a dead one can still be named then."""
        others = set(multiprocessing.active_children())
        waiting: set[Future[Result]] = set()
        for task in tasks:
            with _interrupts_held():
                waiting.add(pool.submit(function, task))
            children |= set(multiprocessing.active_children()) - others
            # Two tasks a worker keep it busy; a million futures would only fill the memory.
            while len(waiting) >= 2 * self.workers:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def _obituary(children: Iterable[BaseProcess]) -> str:
    # The pool ends the survivors with SIGTERM itself; the one that died otherwise is the culprit.
    for child in children:
        if child.exitcode is not None and child.exitcode not in (0, -signal.SIGTERM):
            cause = signal.Signals(-child.exitcode).name if child.exitcode < 0 else f"exit code {child.exitcode}"
            return f"worker process {child.pid} died ({cause}): check memory, then run again with --resume"
    return "a worker process died: check memory, then run again with --resume"


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
    """Let processes that start meanwhile never see Ctrl-C, not even while they import; ours comes afterwards."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and die with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # numcodecs makes a lock when it is imported; in this context it leaves nothing to clean up in a killed process.
    multiprocessing.set_start_method("fork", force=True)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    wait_for_sentinel([sentinel])
    os._exit(1)


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
        self._address = address

    def run(self, function: Callable[[Any], Result], tasks: Iterable[Any]) -> Iterator[Result]:
        """Yield the results as they come; the task of a worker that died goes to another.

        Raises
        ------
        EnvironmentFaultError
            If the scheduler cannot be reached, or a task's workers died again and again.
        """
        with self._client() as client:
            workers = max(len(client.scheduler_info(n_workers=-1)["workers"]), 1)
            source = iter(tasks)
            # A few tasks a worker are on their way at any time: the scheduler holds no million of them.
            first = [self._submit(client, function, task) for task, _ in zip(source, range(4 * workers), strict=False)]
            completed = self._distributed.as_completed(first)
            for future in completed:
                yield self._result(future)
                for task in source:
                    completed.add(self._submit(client, function, task))
                    break

    def _submit(self, client: Any, function: Callable[[Any], Result], task: Any) -> Any:
        return client.submit(function, task, retries=_RETRIES, pure=False)

    def _result(self, future: Any) -> Any:
        try:
            return future.result()
        except XsimError:
            raise
        except self._distributed.KilledWorker as error:
            raise EnvironmentFaultError(
                "the cluster's workers died over one shard again and again: give them more memory, then --resume"
            ) from error

    def _client(self) -> Any:
        kind, _, count = self._address.partition(":")
        try:
            if kind == "local":
                cluster = self._distributed.LocalCluster(
                    n_workers=int(count or 2), threads_per_worker=1, processes=True, dashboard_address=None
                )
                return _Owned(self._distributed.Client(cluster), cluster)
            return self._distributed.Client(self._address, timeout="20s")
        except (OSError, TimeoutError, ValueError) as error:
            raise EnvironmentFaultError(f"{self._address}: no scheduler answers there: check --cluster") from error


class _Owned:
    """A client with the cluster that was started for it; both end together."""

    def __init__(self, client: Any, cluster: Any) -> None:
        self._client, self._cluster = client, cluster

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._cluster.close()
