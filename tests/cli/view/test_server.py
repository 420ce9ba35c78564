"""Who may speak to the server, and what it hands out."""

from __future__ import annotations

import json
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from xsim_cli.view.server import LARGEST_BYTES
from xsim_zoo.run.jobs import RECORD_SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.view.conftest import Client


def keep(folder: Path, name: str, page: str = "<p>a page") -> None:
    folder.mkdir(exist_ok=True)
    entry = {"consistency": {"verdict": "good", "consistent": True}}
    (folder / f"{name}.json").write_text(json.dumps({"schema": RECORD_SCHEMA, "entry": entry}))
    (folder / f"{name}.html").write_text(page)


def test_it_listens_on_this_machine_only(client: Client) -> None:
    assert client.server.socket.getsockname()[0] == "127.0.0.1"
    # No other address of this machine leads to it.
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} | {"127.0.0.2"}
    for address in others - {"127.0.0.1"}:
        with socket.socket() as tried:
            tried.settimeout(2)
            assert tried.connect_ex((address, client.server.server_port)) != 0
    port = f"{client.server.server_port:04X}"
    with open("/proc/net/tcp") as table:  # noqa: PTH123
        listening = [line.split()[1] for line in table.read().splitlines()[1:] if line.split()[3] == "0A"]
    assert [place for place in listening if place.endswith(f":{port}")] == [f"0100007F:{port}"]


@pytest.mark.parametrize("host", [None, "", "evil.example", "127.0.0.1", "evil.example:{port}", "127.0.0.1:1"])
def test_another_name_is_refused(client: Client, host: str | None) -> None:
    name = host and host.format(port=client.server.server_port)
    for method, path in (("GET", "/"), ("GET", f"/?key={client.server.secret}"), ("POST", "/stop")):
        assert client.ask(method, path, Host=name).status == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"X_Xsim_Token": None},
        {"X_Xsim_Token": "guessed"},
        {"X_Xsim_Token": "{secret}"},
        {"Cookie": None},
        {"Cookie": "xsim_view_{port}=guessed"},
        {"Cookie": "other={secret}"},
    ],
)
def test_another_site_cannot_post(client: Client, folder: Path, wrong: dict[str, str | None]) -> None:
    server = client.server
    changed = {
        key: value and value.format(port=server.server_port, secret=server.secret) for key, value in wrong.items()
    }
    for path in ("/jobs?name=a.tif", "/frames?kind=dark&number=0&name=a.tif", "/stop", "/save"):
        assert client.ask("POST", path, b"x", **changed).status == 403
    assert server.session.job is None
    assert client.ask("OPTIONS", "/jobs?name=a.tif", **changed).status == 501
    assert list(folder.iterdir()) == []


def test_only_the_printed_address_lets_in(client: Client) -> None:
    for path in ("/", "/job", "/table", "/reports/a.tif.html", "/result/1", "/nothing"):
        assert client.ask("GET", path, Cookie=None).status == 403, path
    assert client.ask("GET", "/?key=guessed", Cookie=None).status == 403
    found = client.ask("GET", client.server.url.split(str(client.server.server_port))[1], Cookie=None)
    assert found.status == 303
    assert found.headers["Location"] == "/"
    assert "HttpOnly; SameSite=Strict" in found.headers["Set-Cookie"]
    assert client.ask("GET", "/", Cookie=found.headers["Set-Cookie"].split(";")[0]).status == 200


def test_pages_forbid_what_they_do_not_need(client: Client) -> None:
    found = client.ask("GET", "/")
    policy = found.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Referrer-Policy"] == "no-referrer"
    assert found.headers["Cache-Control"] == "no-store"


def test_reports_are_served_in_a_sandbox(client: Client, folder: Path) -> None:
    keep(folder, "a <b>.tif")
    keep(folder / "below", "c.tif")
    found = client.ask("GET", "/reports/a%20%3Cb%3E.tif.html")
    assert (found.status, found.text) == (200, "<p>a page")
    policy = found.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy
    assert client.ask("GET", "/reports/below/c.tif.html").status == 200
    table = client.ask("GET", "/table").text
    assert 'href="reports/./a%20%3Cb%3E.tif.html"' in table
    assert "a &lt;b&gt;.tif" in table
    assert 'href="reports/./below/c.tif.html"' in table


OUTSIDE = [
    "../secret.html",
    "..%2fsecret.html",
    "%2e%2e/secret.html",
    "below/../../secret.html",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "link.html",
    "linked/secret.html",
    "a.tif.json",
    "a.tif",
    "bare.html",
    "",
    ".",
    "%00.html",
    "a.tif.html%00",
    "%ff.html",
    "x" * 5000,
]


@pytest.mark.parametrize("address", OUTSIDE)
def test_nothing_but_reports_of_the_folder_is_served(client: Client, folder: Path, address: str) -> None:
    keep(folder.parent, "secret")
    keep(folder, "a.tif")
    keep(folder / "below", "c.tif")
    (folder / "bare.html").write_text("no record beside it")
    (folder / "link.html").symlink_to(folder.parent / "secret.html")
    (folder / "link.json").symlink_to(folder.parent / "secret.json")
    (folder / "linked").symlink_to(folder.parent)
    found = client.ask("GET", f"/reports/{address}")
    assert found.status == 404
    assert "a page" not in found.text


@pytest.mark.parametrize(
    "path", ["/nothing", "//evil.example/", "/result/x", "/result/99999999999999999999", "/?a=%ff", "*"]
)
def test_other_addresses_lead_nowhere(client: Client, path: str) -> None:
    assert client.ask("GET", path).status in {400, 404}


def test_sizes_are_bounded_and_must_be_told(client: Client) -> None:
    tried: list[tuple[dict[str, Any], int]] = [
        ({"Content_Length": str(LARGEST_BYTES + 1)}, 413),
        ({"Content_Length": "9" * 4000}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "\u00b2"}, 411),
        ({"Content_Length": None, "Transfer_Encoding": "chunked"}, 411),
    ]
    for headers, status in tried:
        assert client.ask("POST", "/jobs?name=a.tif", **headers).status == status
    assert client.server.session.job is None


def test_a_port_that_is_taken_is_refused(client: Client, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from xsim_cli.app import main

    with pytest.raises(SystemExit) as left:
        main(["view", str(folder), "--port", str(client.server.server_port), "--no-browser"])
    assert left.value.code == 2
    assert "give another" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["view", str(folder / "none"), "--no-browser"])
    assert left.value.code == 2


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /nothing HTTP/1.1\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n",
        b"POST /jobs?name=a.tif HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nab",
    ],
)
def test_who_goes_away_leaves_no_traceback(client: Client, capfd: pytest.CaptureFixture[str], said: bytes) -> None:
    host = client.headers["Host"].encode()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", client.server.server_port)) as gone:
            # Closed with a reset, whatever is on its way.
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.sendall(said.replace(b"{host}", host))
    assert client.ask("GET", "/").status == 200
    assert capfd.readouterr().err == ""


def test_many_at_once_are_all_answered(client: Client) -> None:
    with ThreadPoolExecutor(60) as pool:
        answers = pool.map(lambda _: client.ask("GET", "/job").status, range(120))
    assert set(answers) == {200}
