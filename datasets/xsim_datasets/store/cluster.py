"""Run the tasks on a Dask cluster: the same tasks as on the pool, one shard each, and a lost one is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xsim.errors import EnvironmentFaultError, ExtraMissingError, XsimError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xsim_datasets.store.executors import Result

__all__ = ["DaskCluster"]

_RETRIES = 3


class DaskCluster:
    """Runs the tasks on the workers of a Dask scheduler.

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
