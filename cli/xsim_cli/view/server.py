"""The server: this machine only, this session's browser only, and nothing that a page from elsewhere can ask for.

Who may speak to it:

- it listens on 127.0.0.1, so nothing comes from another machine;
- requests name it as 127.0.0.1 or localhost (``Host``), so no name of somebody else's can be made to point here;
- the first address carries a secret that becomes a cookie, so other users of this machine see nothing;
- what changes something is a POST that comes from our own page (``Origin``) and carries that page's token.

Reports are files that others may have written, so they are served in a sandbox: their scripts run, and can neither read
our pages nor ask for anything.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from xsim.errors import InputError, XsimError
from xsim_cli.view.frames import receive
from xsim_cli.view.options import check_options, sidecar_of
from xsim_cli.view.pages import home, home_policy, table
from xsim_cli.view.session import Session
from xsim_cli.view.shelf import report_at

__all__ = ["LARGEST_BYTES", "ViewServer", "serving"]

_HERE: Final = "127.0.0.1"

LARGEST_BYTES: Final = 2**30 + 2**24
"""Largest file that can be dropped [bytes]: half a gigapixel of 16 bits, the most that is read, and its tags."""

_LONGEST_NUMBER: Final = 18
"""Digits of a size that are looked at: more bytes than that there are none."""

_IDLE_S: Final = 60.0
"""A connection on which nothing moves for so long is dropped [s]."""

_REPORT_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""What a report may do; its own policy admits less. In a sandbox it is of no origin, so ours is closed to it."""

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class ViewServer(ThreadingHTTPServer):
    """The server of one session.

    Parameters
    ----------
    session : Session
        What it is about.
    port : int
        Where it listens; 0 takes a free one.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128  # a page asks for several things at once; beyond five connections would be reset

    def __init__(self, session: Session, port: int) -> None:
        self.session = session
        self.secret, self.token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        super().__init__((_HERE, port), _Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in (_HERE, "localhost")}
        # Cookies know no ports: sessions beside one another would take each other's.
        self.cookie = f"xsim_view_{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who has gone away, whatever was being read from them or written to them."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The address that lets a browser in."""
        return f"http://{_HERE}:{self.server_port}/?key={self.secret}"


@contextmanager
def serving(session: Session, port: int) -> Iterator[ViewServer]:
    """Yield a server of a session, and close it at the end.

    Raises
    ------
    InputError
        If the port is taken or not allowed.
    """
    try:
        server = ViewServer(session, port)
    except OSError as error:
        raise InputError(
            f"port {port} cannot be had ({(error.strerror or str(error)).lower()}): give another"
        ) from error
    with server:
        yield server


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: ViewServer
    timeout = _IDLE_S
    server_version = "xsim"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: requests are no news."""

    def do_GET(self) -> None:
        """Show a page."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """Do something."""
        self._answered(self._post)

    def _answered(self, act: Any) -> None:
        try:
            self._check_host()
            act()
        except _RefusedError as refused:
            self._send_json({"error": str(refused)}, refused.status)
        except InputError as error:
            self._send_json({"error": str(error)}, HTTPStatus.CONFLICT)
        except XsimError as error:
            self._send_json({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)

    # ---- who asks

    def _check_host(self) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "this is not the name of this server")

    def _check_known(self) -> None:
        """Refuse who has not come by the address that the program printed."""
        try:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        held = cookies.get(self.server.cookie)
        if held is None or not _same(held.value, self.server.secret):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "open the address that xsim view has printed")

    def _check_ours(self) -> None:
        """Refuse what another site makes a browser send."""
        if self.headers.get("Origin", "") not in {f"http://{host}" for host in self.server.hosts}:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "this comes from another site")
        if not _same(self.headers.get("X-Xsim-Token", ""), self.server.token):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "this page is of an earlier session: load it anew")

    # ---- what is asked

    def _get(self) -> None:
        path, query = self._address()
        if path == "/" and "key" in query:
            self._let_in(query["key"])
            return
        self._check_known()
        session = self.server.session
        if path == "/":
            self._send(home(session, self.server.token, LARGEST_BYTES), "text/html", home_policy())
        elif path == "/job":
            self._send_json({"job": session.job.shown() if session.job is not None else None})
        elif path == "/table":
            self._send(table(session), "text/html", home_policy())
        elif path.startswith("/reports/"):
            self._send_report(report_at(session.folder, path.removeprefix("/reports/")))
        elif path.startswith("/result/"):
            self._send_report(session.page(path.removeprefix("/result/")))
        else:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")

    def _post(self) -> None:
        self._check_known()
        self._check_ours()
        path, query = self._address()
        session = self.server.session
        if path == "/jobs":
            self._send_json({"job": self._receive(query)}, HTTPStatus.ACCEPTED)
        elif path == "/frames":
            self._send_json({"frames": session.frame(query, self.rfile, self._length())})
        elif path == "/stop":
            session.stop()
            self._send_json({})
        elif path == "/save":
            self._send_json({"saved": [saved.name for saved in session.save()]})
        else:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")

    def _address(self) -> tuple[str, dict[str, str]]:
        try:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, max_num_fields=40, errors="strict")
        except ValueError as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "this is no address") from error
        return parts.path, {key: values[-1] for key, values in query.items()}

    def _let_in(self, key: str) -> None:
        if not _same(key, self.server.secret):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "this address is of an earlier session: take the last one")
        self.send_response(HTTPStatus.SEE_OTHER)
        cookie = f"{self.server.cookie}={self.server.secret}; HttpOnly; SameSite=Strict; Path=/"
        for name, value in {"Set-Cookie": cookie, "Location": "/", "Content-Length": "0", **_HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()

    def _receive(self, query: dict[str, str]) -> dict[str, Any]:
        """Take a dropped file and start restoring it."""
        length = self._length()
        session = self.server.session
        options = {**check_options(query), "corrections": session.frames.chosen(query)}
        discard = query.get("discard") == "yes"
        job = session.begin(query.get("name", ""), discard=discard, sidecar=sidecar_of(query))
        try:
            receive(job.files.input, self.rfile, length)
            session.start(job, options)
        except OSError as error:
            session.fail(job, f"it could not be received ({error.strerror or error})")
            if isinstance(error, ConnectionError):
                raise
        except InputError as error:
            session.fail(job, str(error))
        return job.shown()

    def _length(self) -> int:
        """Return the bytes that are going to arrive."""
        length = self.headers.get("Content-Length", "")
        if not (length.isdecimal() and len(length) <= _LONGEST_NUMBER) or "Transfer-Encoding" in self.headers:
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "the size of the file is missing")
        if int(length) > LARGEST_BYTES:
            why = f"a file of {int(length)} bytes: at most {LARGEST_BYTES} are taken: use xsim zoo run"
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
        return int(length)

    # ---- answers

    def _send_report(self, path: Path | None) -> None:
        if path is None or not path.is_file():
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such report")
        self._send(path.read_bytes(), "text/html", _REPORT_POLICY)

    def _send_json(self, what: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(what).encode(), "application/json", "default-src 'none'; frame-ancestors 'none'", status)

    def _send(self, body: bytes | str, kind: str, policy: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Security-Policy", policy)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _same(given: str, secret: str) -> bool:
    """Compare in a time that says nothing about where two texts differ."""
    return secrets.compare_digest(given.encode(), secret.encode())
