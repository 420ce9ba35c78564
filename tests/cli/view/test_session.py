"""From a dropped file to saved results: one at a time, nothing lost, nothing overwritten, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.errors import InputError
from xsim_cli.view.options import check_options, safe_name

if TYPE_CHECKING:
    from tests.cli.view.conftest import Client


def test_a_file_is_received_restored_and_saved(client: Client, folder: Path) -> None:
    assert client.drop("board.tif", b"these are pixels").status == 202
    job = client.finished()
    assert (job["state"], job["tiles"], job["done"], job["verdict"]) == ("done", 4, 1, "good")
    assert job["notes"] == ["board.tif: a note"]  # not where the session keeps it
    assert "owned" in client.ask("GET", f"/result/{job['number']}").text
    assert list(folder.iterdir()) == []
    saved = client.ask("POST", "/save").json["saved"]
    assert saved == ["board_restored.tif", "board_restored.tif.html", "board_restored.tif.json"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(saved)
    assert (folder / "board_restored.tif").read_bytes() == b"these are pixels"
    entry = json.loads((folder / "board_restored.tif.json").read_text())["entry"]
    assert entry["input"] == "board.tif"
    assert entry["output"] == str(folder / "board_restored.tif")
    assert entry["report"] == str(folder / "board_restored.tif.html")
    assert client.ask("POST", "/save").status == 409  # once is enough


def test_saving_takes_a_free_name_and_never_writes_over(client: Client, folder: Path) -> None:
    (folder / "board_restored.tif.html").write_text("mine")
    client.drop()
    client.finished()
    (folder / "board_restored-2.tif.json").write_text("mine too")
    found = client.ask("POST", "/save")
    assert found.status == 409
    assert "exists already" in found.json["error"]
    assert sorted(path.name for path in folder.iterdir()) == ["board_restored-2.tif.json", "board_restored.tif.html"]
    (folder / "board_restored-2.tif.json").unlink()
    assert client.ask("POST", "/save").json["saved"][0] == "board_restored-2.tif"
    assert (folder / "board_restored.tif.html").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["a[1]*?.tif", "-o.tif", "a b%20&name=c.tif", "\u00e9\u4e2d.TIFF", "~.png", "$(id).npy"]
)
def test_a_file_keeps_its_name_whatever_it_is(client: Client, folder: Path, name: str) -> None:
    client.drop(name)
    assert client.finished()["name"] == name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    assert client.ask("POST", "/save").json["saved"][0] == f"{stem}_restored{suffix}"
    assert (folder / f"{stem}_restored{suffix}.json").is_file()


def test_a_restored_jpeg_is_a_png(client: Client) -> None:
    client.drop("photo.jpg")
    client.finished()
    assert client.ask("POST", "/save").json["saved"][0] == "photo_restored.png"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_named(client: Client, folder: Path) -> None:
    client.drop()
    client.finished()
    folder.chmod(0o500)
    found = client.ask("POST", "/save")
    folder.chmod(0o700)
    assert found.status == 500
    assert list(folder.iterdir()) == []


def test_one_file_at_a_time_and_it_can_be_stopped(client: Client) -> None:
    assert client.drop(restorer="wiener").status == 202  # the stand-in waits for ten minutes
    refused = client.drop("other.tif")
    assert refused.status == 409
    assert "wait for it, or stop it" in refused.json["error"]
    process = client.server.session._process
    assert process is not None
    assert client.ask("POST", "/stop").status == 200
    assert process.poll() is not None
    assert client.finished()["state"] == "stopped"
    assert client.ask("POST", "/stop").status == 409
    assert client.ask("POST", "/save").status == 409


def test_a_result_that_was_not_saved_is_not_let_go_in_silence(client: Client) -> None:
    client.drop()
    client.finished()
    assert client.drop("other.tif").status == 409
    assert client.drop("other.tif", discard="yes").status == 202
    job = client.finished()
    assert (job["name"], job["number"]) == ("other.tif", 2)
    assert client.ask("GET", "/result/1").status == 404


@pytest.mark.parametrize(
    ("restorer", "error"),
    [("unet", "board.tif: cannot be used"), ("tv", "ended without a result (a library fell over)")],
)
def test_what_fails_says_why_and_the_next_file_is_taken(client: Client, restorer: str, error: str) -> None:
    client.drop(restorer=restorer)
    job = client.finished()
    assert job["state"] == "failed"
    assert job["error"].endswith(error)
    assert client.ask("GET", f"/result/{job['number']}").status == 404
    assert client.drop().status == 202
    assert client.finished()["state"] == "done"


def test_a_file_that_does_not_arrive_is_told(client: Client) -> None:
    import socket

    request = "POST /jobs?name=a.tif HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in client.headers.items())
    with socket.create_connection(("127.0.0.1", client.server.server_port)) as connection:
        connection.sendall(f"{request}Content-Length: 100\r\n\r\nonly this".encode())
    job = client.finished()
    assert job["state"] == "failed"
    assert "only 9 of 100 bytes arrived" in job["error"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"restorer": "nonsense"}, "unknown restorer"),
        ({"detectors": "../../etc/passwd"}, "unknown detector"),
        ({"pitch_mm": "wide"}, "is no number"),
        ({"steps": "1.5"}, "is no number"),
        ({"polarity": "up"}, "unknown polarity"),
        ({"weights": "/tmp/x"}, "unknown options"),
    ],
)
def test_options_are_checked_before_anything_starts(client: Client, options: dict[str, str], why: str) -> None:
    found = client.drop(**options)
    assert found.status == 409
    assert why in found.json["error"]
    assert client.server.session.job is None


def test_options_have_their_types() -> None:
    given = {"name": "a", "restorer": "wiener", "detectors": "weights", "pitch_mm": "0.1", "steps": "3", "samples": " "}
    assert check_options(given) == {
        "restorer": "wiener",
        "settings": {"detectors": "weights", "pitch_mm": 0.1, "steps": 3},
    }


@pytest.mark.parametrize(("text", "target"), [("auto", "auto"), (" 33.910 ", "33.91")])
def test_a_target_and_the_grey_values_can_be_told(text: str, target: str) -> None:
    settings = check_options({"target": text, "grey": "hr"})["settings"]
    assert settings == {"detectors": "image", "target": target, "grey": "hr"}


@pytest.mark.parametrize("given", [{"target": "/etc/passwd"}, {"target": "mtf.csv"}, {"grey": "colour"}])
def test_a_target_is_no_file_and_grey_values_are_of_one_detector(given: dict[str, str]) -> None:
    with pytest.raises(InputError):
        check_options(given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("board.tif", "board.tif"),
        ("../../../etc/cron.d/x.tif", "x.tif"),
        ("C:\\Users\\me\\x.TIF", "x.TIF"),
        (".hidden.tif", "hidden.tif"),
        ("...tif.tif", "tif.tif"),
        ("a\0b\nc\u202e.png", "abc.png"),
        ("<img src=x onerror=alert(1)>.tif", "<img src=x onerror=alert(1)>.tif"),
        ("-rf.tif", "-rf.tif"),
        ("é" * 200 + ".dcm", "é" * 60 + ".dcm"),
    ],
)
def test_names_lead_nowhere_else_and_stay_otherwise(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@pytest.mark.parametrize("given", ["", "a", "a.exe", ".tif", "a/.tif", "a.tif/", "a.html"])
def test_what_is_no_image_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="is no image that can be dropped"):
        safe_name(given)


RAW = {"raw_width": "40", "raw_height": "30"}


def test_a_raw_file_is_described_by_the_form(client: Client, folder: Path) -> None:
    for missing in ({}, {"raw_width": "40"}, {**RAW, "raw_height": "-3"}, {**RAW, "raw_offset": "1e3"}):
        found = client.drop("scan.raw", **missing)
        assert found.status == 409
        assert "of the RAW file" in found.json["error"]
    assert "unknown kind of RAW pixels" in client.drop("scan.raw", **RAW, raw_dtype="text").json["error"]
    assert client.server.session.job is None
    assert client.drop("scan.raw", **RAW, raw_dtype="int16", raw_byteorder="big", raw_offset="8").status == 202
    job = client.finished()
    source = client.server.session.job.files.input
    sidecar = source.with_name("scan.raw.toml").read_text()
    assert sidecar == 'shape = [30, 40]\ndtype = "int16"\nbyteorder = "big"\noffset = 8\n'
    assert job["state"] == "done"
    assert client.ask("POST", "/save").json["saved"][0] == "scan_restored.raw"


def frame(client: Client, body: bytes = b"dark", **query: str):
    from urllib.parse import urlencode

    return client.ask("POST", f"/frames?{urlencode({'kind': 'dark', 'number': '0', 'name': 'd.tif', **query})}", body)


def test_frames_are_kept_for_what_is_dropped_later(client: Client) -> None:
    assert client.drop(dark="yes", flat="yes").json["error"].startswith("dark frames are asked for")
    assert frame(client).json == {"frames": 1}
    assert frame(client, number="1", name="e.tif").json == {"frames": 2}
    assert "need flat frames" in client.drop(dark="yes").json["error"]
    assert frame(client, b"flat", kind="flat", name="f.raw").json == {"frames": 1}
    assert "width of the RAW file" in client.drop(dark="yes", flat="yes").json["error"]
    frames = client.server.session.frames
    told = frames.chosen({"dark": "yes", "flat": "yes", **RAW})
    assert told == {"dark": str(frames.folder / "dark"), "flat": str(frames.folder / "flat"), "bad_pixels": "auto"}
    assert "[30, 40]" in (frames.folder / "flat" / "000_f.raw.toml").read_text()
    assert frame(client, number="0").json == {"frames": 1}  # in place of those before
    assert "a map of bad pixels" in client.drop(bad_pixels="map").json["error"]
    frame(client, kind="map", name="m.png")
    assert frames.chosen({"bad_pixels": "map"}) == {"bad_pixels": str(frames.folder / "map" / "000_m.png")}
    assert "bad pixels 'x'" in client.drop(bad_pixels="x").json["error"]
    assert client.drop(restorer="wiener").status == 202
    assert "is being restored" in frame(client).json["error"]
    client.ask("POST", "/stop")


def test_the_process_corrects_by_frames_and_a_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import tifffile

    from tests.zoo.conftest import board, closed_form, degrade, power_law
    from xsim_cli.view import worker
    from xsim_zoo.process.physics import Physics

    y = degrade(board(5, (128, 128)), Physics(closed_form(), power_law()), 5)
    gain = 30_000 * np.random.default_rng(1).normal(1, 0.05, y.shape)
    grey, flat = ((500 + gain * signal).clip(0, 65535).astype(np.uint16) for signal in (y, np.ones_like(y)))
    frames = {"dark": np.full(y.shape, 500, np.uint16), "flat": flat, "map": np.zeros(y.shape, np.uint8)}
    frames["map"][40, 50] = 1
    (tmp_path / "lr.raw").write_bytes(grey.tobytes())
    (tmp_path / "lr.raw.toml").write_text('shape = [128, 128]\ndtype = "uint16"\npitch_mm = 0.048\n')
    for kind, pixels in frames.items():
        (tmp_path / kind).mkdir()
        tifffile.imwrite(tmp_path / kind / "0.tif", pixels)
    told: list[dict] = []
    monkeypatch.setattr(worker, "_tell", lambda **what: told.append(what))
    given = {"dark": str(tmp_path / "dark"), "flat": str(tmp_path / "flat"), "bad_pixels": str(tmp_path / "map/0.tif")}
    output = tmp_path / "out.raw"
    worker._restore(tmp_path / "lr.raw", output, "wiener", {"detectors": "weights"}, given)
    entry = told[-1]["entry"]
    assert entry["open_field"] == pytest.approx(30_000, rel=1e-2)
    assert [(bad["x"], bad["y"]) for bad in entry["bad_pixels"]["places"]] == [(50, 40)]
    assert any("corrected by dark and flat" in note for note in entry["notes"])
    # The gain is gone: neighbours in the open differ by noise alone.
    assert (tmp_path / "out.raw.toml").is_file()
    restored = np.fromfile(output, np.uint16).reshape(y.shape)
    assert np.abs(restored / 30_000 - y).mean() < 0.04


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "../x"}, {"kind": ""}, {"number": "-1"}, {"number": "200"}, {"number": "9" * 400}, {"name": "a.html"}],
)
def test_frames_that_are_none_are_refused(client: Client, wrong: dict[str, str]) -> None:
    assert frame(client, **wrong).status == 409
    assert not list(client.server.session.frames.folder.rglob("*.*"))


@settings(max_examples=40, deadline=None)
@given(st.text())
def test_any_name_is_one_plain_name_or_refused(text: str) -> None:
    try:
        kept = safe_name(f"{text}.tif")
    except InputError:
        return
    assert Path(kept).name == kept
    assert not kept.startswith(".")
    assert len(kept.encode()) <= 124


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_program_ends_cleanly(folder: Path, tmp_path: Path, sent: int, code: int) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "xsim_cli.app", "view", str(folder), "--json"]
    root = Path(__file__).parents[3]
    environment["PYTHONPATH"] = os.pathsep.join(str(root / part) for part in ("", "datasets", "zoo", "cli"))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as program:
        assert program.stdout is not None
        lines = []
        watch = threading.Timer(60, program.kill)
        watch.start()
        for line in program.stdout:
            lines.append(line)
            if line == "}\n":
                break
        told = json.loads("".join(lines))
        assert told["schema"] == "xsim.view/1"
        assert told["url"].startswith(f"http://127.0.0.1:{told['port']}/?key=")
        assert list(tmp_path.glob("xsim-view-*"))
        end = time.monotonic() + 20
        while program.poll() is None and time.monotonic() < end:
            program.send_signal(sent)  # and again, as `timeout` does, and impatient hands, until it is gone
            time.sleep(0.002)
        assert program.wait(1) == code
        watch.cancel()
        assert program.stderr is not None
        assert "Traceback" not in program.stderr.read()
    assert not list(tmp_path.glob("xsim-view-*"))
