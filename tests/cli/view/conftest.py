"""A server of a folder, and a client that says what a browser would."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from xsim_cli.view.server import ViewServer, serving
from xsim_cli.view.session import WORKER, Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Stands for the process that restores: it reads the job, tells of a tile, and leaves a result, waits, dies or fails.
STAND_IN = """
import json, pathlib, sys, time
job = json.loads(sys.stdin.readline())
source, output = pathlib.Path(job["input"]), pathlib.Path(job["output"])
tell = lambda **what: print(json.dumps(what), flush=True)
tell(tiles=4, seconds=1.5)
tell(note=f"{source}: a note")
tell(done=1)
how = job["restorer"]
if how == "wiener":
    time.sleep(600)
if how == "tv":
    sys.exit("a library fell over")
if how == "unet":
    tell(error=f"{source}: cannot be used")
    sys.exit()
output.write_bytes(source.read_bytes())
output.with_name(output.name + ".html").write_text("<script>parent.owned = 1</script>")
entry = {"input": str(source), "output": str(output), "report": f"{output}.html", "consistency": {"verdict": "good"}}
record = {"schema": "xsim.zoo.run.file/1", "entry": entry, "identity": {"restorer": how}}
output.with_name(output.name + ".json").write_text(json.dumps(record))
tell(entry=entry)
"""


class Client:
    """Speaks to a server as its own page does, unless told otherwise."""

    def __init__(self, server: ViewServer) -> None:
        self.server = server
        self.headers = {
            "Host": f"127.0.0.1:{server.server_port}",
            "Origin": f"http://127.0.0.1:{server.server_port}",
            "Cookie": f"{server.cookie}={server.secret}",
            "X-Xsim-Token": server.token,
        }

    def ask(self, method: str, path: str, body: bytes | None = None, **changed: str | None) -> SimpleNamespace:
        headers = {**self.headers, **{key.replace("_", "-"): value for key, value in changed.items()}}
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if body is not None:
            headers.setdefault("Content-Length", str(len(body)))
        for key, value in headers.items():
            if value is not None:
                connection.putheader(key, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        told = json.loads(text) if answer.headers.get_content_type() == "application/json" else {}
        return SimpleNamespace(status=answer.status, headers=answer.headers, text=text, json=told)

    def drop(self, name: str = "board.tif", body: bytes = b"pixels", **options: str) -> SimpleNamespace:
        from urllib.parse import urlencode

        return self.ask("POST", f"/jobs?{urlencode({'name': name, 'restorer': 'physics-sde', **options})}", body)

    def finished(self) -> dict[str, Any]:
        """Return the job once it is over."""
        wait = threading.Event()
        for _ in range(2400):
            job: dict[str, Any] | None = self.ask("GET", "/job").json["job"]
            if job is not None and job["state"] not in {"receiving", "running"}:
                return job
            wait.wait(0.05)
        raise AssertionError(job)


@contextmanager
def served(folder: Path, command: Sequence[str]) -> Iterator[Client]:
    with Session(folder, command) as session, serving(session, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield Client(server)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "reports"
    made.mkdir()
    return made


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    """Return a client of a server whose restoring process is a stand-in."""
    with served(folder, (sys.executable, "-c", STAND_IN)) as made:
        yield made


@pytest.fixture
def real(folder: Path) -> Iterator[Client]:
    """Return a client of a server that restores."""
    with served(folder, WORKER) as made:
        yield made
