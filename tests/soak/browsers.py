"""Fifty browsers at once on one ``xsim view``, of which one has files restored, good and bad ones in turn."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psutil

from tests.soak.series import Series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Browsers"]

PARALLEL = 50
_PAUSE_S = 0.25
"""Between two times fifty requests: restoring has to get on as well."""
_LOOK_S = 20.0
"""Between two looks at the memory while a file is restored, which takes minutes on a machine that is busy."""
_SETTLE_S = 0.5
"""Until threads of the last requests have ended."""

_ASKED = (
    *("GET /", "GET /job", "GET /table", "GET /reports/good-1.tif.html", "GET /reports/../secret.html"),
    *("GET /result/1", "GET /nothing", "GET //", "POST /stop", "POST /save", "POST /jobs", "POST /jobs?name=a.exe"),
)


class Browsers:
    """The load on a server that runs, and what it is found to be at quiet moments.

    Parameters
    ----------
    folder : Path
        Served, and written to.
    files : sequence of Path
        Dropped on it in turn.
    environment : dict
        Of the server.
    """

    def __init__(self, folder: Path, files: list[Path], environment: dict[str, str]) -> None:
        self.series, self.requests, self.jobs, self.wrong = Series(), 0, 0, list[str]()
        self._folder, self._files = folder, files
        self._server = subprocess.Popen(
            [sys.executable, "-m", "xsim_cli.app", "view", str(folder), "--json"],
            stdout=subprocess.PIPE, env=environment, text=True,
        )  # fmt: skip
        told = self._told()
        self._port, self._secret, self._token = told["port"], told["url"].partition("key=")[2], ""
        self._end, self._busy = threading.Event(), threading.Lock()
        self._kept = {path.name for path in folder.iterdir()}
        self._threads = [threading.Thread(target=work) for work in (self._browse, self._restore)]

    def _told(self) -> dict[str, Any]:
        """Return what the server says when it is ready."""
        assert self._server.stdout is not None
        text = ""
        for line in self._server.stdout:
            text += line
            with suppress(json.JSONDecodeError):
                told: dict[str, Any] = json.loads(text)
                return told
        raise ChildProcessError("xsim view ended before it began")

    def start(self) -> None:
        """Let them in."""
        page = self._ask("GET", "/")[1].decode()
        found = re.search(r'"token": ?"([^"]+)"', page)
        if found is None:
            raise ValueError("the page holds no token")
        self._token = found[1]
        for thread in self._threads:
            thread.start()

    def stop(self) -> int:
        """Send them away, end the server as Ctrl-C does, and return how it ended."""
        self._end.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._server.send_signal(signal.SIGINT)
        return self._server.wait(60)

    def _ask(self, method: str, path: str, body: bytes = b"", origin: str = "") -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {
            "Cookie": f"xsim_view_{self._port}={self._secret}",
            "Origin": origin or f"http://127.0.0.1:{self._port}",
        }
        headers |= {"X-Xsim-Token": self._token}
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _browse(self) -> None:
        """Ask fifty things at once, again and again; each is answered, and none with an error of the server's own."""
        drawn = random.Random(5)
        with ThreadPoolExecutor(PARALLEL) as pool:
            while not self._end.wait(_PAUSE_S):
                with self._busy:
                    asked = [drawn.choice(_ASKED) for _ in range(PARALLEL)]
                    self.wrong += filter(None, pool.map(self._one, asked))
                    self.requests += PARALLEL

    def _one(self, asked: str) -> str:
        """Ask one thing, and return what is wrong with the answer; what changes something comes from another site."""
        method, _, path = asked.partition(" ")
        try:
            status, _ = self._ask(method, path, origin="http://evil.example" if method == "POST" else "")
        except (OSError, HTTPException) as error:
            return f"{asked}: {error!r}"
        if method == "POST" and status != HTTPStatus.FORBIDDEN:
            return f"{asked} from another site: status {status}"
        return f"{asked}: status {status}" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Hold all requests back while something is measured."""
        with self._busy:
            time.sleep(_SETTLE_S)
            yield

    def _restore(self) -> None:
        """Drop a file, wait for its result, save it, and take what was saved away; then look at the server."""
        process = psutil.Process(self._server.pid)
        while not self._end.is_set():
            path = self._files[self.jobs % len(self._files)]
            try:
                job = self._job(path, process)
                self.jobs += 1
                if path.name.startswith("good") and job["state"] != "done" and not self._end.is_set():
                    self.wrong.append(f"{path.name}: {job['state']}: {job['error']}")
                if job["state"] == "done":
                    self._ask("GET", f"/result/{job['number']}")
                    self._ask("POST", "/save")
            except (OSError, HTTPException, KeyError) as error:
                self.wrong.append(f"{path.name}: {error!r}")
            for saved in self._folder.iterdir():
                if saved.name not in self._kept:
                    saved.unlink()
            if not self._end.is_set():
                with self._quiet():
                    self.series.look(process)

    def _job(self, path: Path, process: psutil.Process) -> dict[str, Any]:
        options = "restorer=wiener&detectors=weights&pitch_mm=0.048&discard=yes"
        _, answer = self._ask("POST", f"/jobs?name={quote(path.name)}&{options}", path.read_bytes())
        job: dict[str, Any] = json.loads(answer)["job"]
        seen = time.monotonic()
        while job["state"] in {"receiving", "running"} and not self._end.is_set():
            time.sleep(0.2)
            if time.monotonic() - seen > _LOOK_S:
                with self._quiet():
                    self.series.look(process, idle=False)
                seen = time.monotonic()
            job = json.loads(self._ask("GET", "/job")[1])["job"]
        return job
