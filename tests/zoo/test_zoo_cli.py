"""`xsim zoo`: list, info, train, finetune, export, and how they refuse; a run killed for good goes on the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import torch

from xsim_cli.app import main
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.weights.card import shipped
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

TINY = ["size=tiny", "batch=2", "crops=1", "patch=32", "warmup=2", "validate_images=2"]


def sets(*changes: str) -> list[str]:
    return [word for change in (*TINY, *changes) for word in ("--set", change)]


def run(arguments: list[str]) -> int:
    """Run the program and return its exit code."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        main(arguments)
    except SystemExit as left:
        return int(left.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "pairs.zarr"
    assert run(["dataset", "make", "tiny", "-o", str(path), "-n", "12", "--size", "96", "--json"]) == 0
    return path


def test_list_names_every_restorer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zoo", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "xsim.zoo.list/1"
    learned = {restorer["name"]: restorer["learned"] for restorer in document["restorers"]}
    assert learned["physics-sde"]
    assert not learned["wiener"]
    for restorer in document["restorers"]:
        for weights in restorer["weights"]:
            assert {"name", "parameters", "bytes", "digest"} <= weights.keys()


def test_a_wrong_name_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["info", "physic-sde"], ["export", "physic-sde", "-o", "x.onnx"]):
        assert run(["zoo", *command]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "did you mean physics-sde" in error


def test_the_name_of_weights_leads_to_their_restorer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zoo", "info", "universal"]) == 2
    assert "physics-sde --weights universal" in capsys.readouterr().err


def test_info_says_what_weights_are_not_proven_for(capsys: pytest.CaptureFixture[str]) -> None:
    said = {}
    for words in (["physics-sde"], ["physics-sde", "--weights", "universal"], ["wiener"]):
        assert run(["zoo", "info", *words]) == 0
        said[words[-1]] = capsys.readouterr().out
    assert "0.048 mm and the detectors of its card" in said["physics-sde"]
    assert "pairs of detectors: tell it yours" in said["universal"]
    assert "pitch:       any" in said["universal"]
    assert "limit" not in said["wiener"]
    assert "other detectors: yes" in said["wiener"]
    assert run(["zoo", "info", "cdm"]) == 0
    said["cdm"] = capsys.readouterr().out
    assert "other detectors: no, its network has learned one blur" in said["cdm"]
    assert "no others" in said["cdm"]
    assert run(["zoo", "export", "wiener", "-o", "wiener.onnx"]) == 2
    assert "no network to export" in capsys.readouterr().err


@pytest.fixture
def unet(tmp_path: Path) -> Path:
    """A folder with sound weights, as a run leaves them."""
    folder = tmp_path / "unet"
    folder.mkdir()
    for path in (shipped()["unet"], shipped()["unet"].with_suffix(".json")):
        shutil.copyfile(path, folder / f"weights{path.suffix}")
    return folder


def test_an_export_never_replaces_the_weights_it_reads(unet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in unet.iterdir()}
    for output in (*before, unet, unet.parent):
        assert run(["zoo", "export", "unet", "--weights", str(unet), "-o", str(output), "--force"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "is also an input" in error or "is a folder" in error
    assert {path: path.read_bytes() for path in unet.iterdir()} == before


def test_info_shows_no_card_of_what_would_not_run(unet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zoo", "info", "unet-wiener", "--weights", str(unet)]) == 2
    assert "holds weights of 'unet', not of 'unet-wiener'" in capsys.readouterr().err
    card = json.loads((unet / "weights.json").read_text())
    for key, value in {"options": {"size": "small"}, "physics": {}, "scores": {"lr": 1}}.items():
        (unet / "weights.json").write_text(json.dumps(card | {key: value}))
        assert run(["zoo", "info", "unet", "--weights", str(unet)]) in {1, 2}
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "internal error" not in error


@pytest.mark.slow
def test_train_info_and_finetune(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    train = ["zoo", "train", "physics-sde", "--data", str(store), "-o", out, "--device", "cpu"]
    assert run([*train, *sets("steps=4"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"run", "steps", "seconds", "images_per_s", "best"} <= document.keys()
    assert document["best"].keys() == {"psnr_dB", "ssim"}
    assert run(["zoo", "info", "physics-sde", "--weights", out, "--json"]) == 0
    card = json.loads(capsys.readouterr().out)["card"]
    assert card["data"]["name"] == "pairs.zarr"
    assert run(["zoo", "info", "physics-sde", "--weights", out]) == 0
    assert "0.54 M" in capsys.readouterr().out
    again = [*train, *sets("steps=4")]
    assert run(again) == 2
    assert "--resume" in capsys.readouterr().err
    tuned = ["zoo", "finetune", "physics-sde", "--data", str(store), "--from", out, "-o", str(tmp_path / "tuned")]
    assert run([*tuned, *sets("steps=2")[2:], "--device", "cpu", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"run", "steps", "seconds", "lr", "shipped", "calibrated", "trained", "best", "kept"} <= document.keys()
    assert document["kept"] in {"as shipped", "calibrated", "trained"}


@pytest.mark.slow
def test_stores_mix_and_both_loops_read_them_alike(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Codes that are decoded on the device, of two stores with shares, against pairs that are decoded on the host."""
    curves = []
    for loop in ("host", "device"):
        mixed = ["--data", str(store), "--share", "1", "--data", str(store), "--share", "3"]
        changes = sets("steps=4", "validate_every=4", "save_every=4", f"loop={loop}")
        words = ["zoo", "train", "unet-wiener", *mixed, "-o", str(tmp_path / loop), "--device", "cpu", *changes]
        assert run(words) == 0
        curves.append(losses(tmp_path / loop))
    assert curves[1] == pytest.approx(curves[0], rel=2e-4)
    capsys.readouterr()
    words = ["zoo", "train", "unet", "--data", str(store), "--share", "1", "--share", "2", "-o", str(tmp_path / "no")]
    assert run(words) == 2
    assert "2 shares for 1 stores: give one for each, or none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [(["batch=99"], "99 needed"), (["sizes=tiny"], "did you mean size"), (["lr=nan"], "lr=nan")],
)
@pytest.mark.slow
def test_settings_that_do_not_fit_are_one_line(
    changes: list[str], message: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["zoo", "train", "unet", "--data", str(store), "-o", str(tmp_path / "run"), *sets(*changes)]
    assert run([*arguments, "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def program(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    code = "import sys; from xsim_cli.app import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def whole(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 200 steps that nothing disturbed."""
    path = tmp_path_factory.mktemp("whole") / "run"
    assert program(*two_hundred_steps(store, path)).wait(1200) == 0
    return path


def two_hundred_steps(store: Path, run: Path) -> list[str]:
    settings = sets("steps=200", "save_every=100", "validate_every=100")
    return ["zoo", "train", "physics-sde", "--data", str(store), "-o", str(run), "--device", "cpu", "--json", *settings]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_200_steps_are_100_then_killed_then_100(number: int, store: Path, whole: Path, tmp_path: Path) -> None:
    """Bit for bit: network, optimiser and average, the weights that were kept, and the loss of every step."""
    killed = tmp_path / "killed"
    victim = program(*two_hundred_steps(store, killed))
    while not list(killed.glob("state-00000100-*")) and victim.poll() is None:
        time.sleep(0.02)
    victim.send_signal(number)
    assert victim.wait(60) == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    stopped = RunFolder(killed).newest_state()
    assert stopped is not None
    assert 100 <= stopped[0] < 200
    assert program(*two_hundred_steps(store, killed), "--resume").wait(1200) == 0
    ends = [RunFolder(run).newest_state() for run in (whole, killed)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0][0] == ends[1][0] == 200
    assert ends[0][1].keys() == ends[1][1].keys()
    assert all(torch.equal(ends[0][1][name], ends[1][1][name]) for name in ends[0][1])
    assert load_checkpoint(whole).card.digest == load_checkpoint(killed).card.digest
    assert losses(killed) == losses(whole)


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in steps_of(run)]


@pytest.mark.slow
def test_two_processes_walk_the_path_of_one_with_twice_the_batch(store: Path, tmp_path: Path) -> None:
    def arguments(name: str, batch: int) -> list[str]:
        settings = sets("steps=20", "save_every=20", "validate_every=20", f"batch={batch}")
        common = ["zoo", "train", "physics-sde", "--data", str(store), "-o", str(tmp_path / name)]
        return [*common, "--device", "cpu", *settings]

    assert program(*arguments("one", 4)).wait(900) == 0
    done = subprocess.run(
        [*TORCHRUN, *arguments("two", 2)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    one, two = (RunFolder(tmp_path / name).newest_state() for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert load_checkpoint(tmp_path / "two").card.training["processes"] == 2
    for name, tensor in one[1].items():
        if name.startswith("network."):
            torch.testing.assert_close(two[1][name], tensor, rtol=0, atol=1e-4)
    # One log holds what both say: the loss of a step is that of the whole batch.
    lines = steps_of(tmp_path / "two")
    assert [line["loss"] for line in lines] == pytest.approx(losses(tmp_path / "one"), rel=1e-3)
    for line in lines:
        assert line["loss"] == pytest.approx((line["loss_of_0"] + line["loss_of_1"]) / 2)
        assert line["waited"] == max(line["waited_of_0"], line["waited_of_1"])
    assert any(line["loss_of_0"] != line["loss_of_1"] for line in lines)
    (call,) = RunFolder(tmp_path / "two").settings()["calls"]
    assert len(call["processes"]) == 2


@pytest.mark.slow
def test_two_processes_that_are_stopped_go_on_with_one_log(store: Path, tmp_path: Path) -> None:
    """Both stop after the same step, the state is on disk before either ends, and the log holds every step once."""
    run_folder = tmp_path / "two"
    settings = sets("steps=80", "save_every=80", "validate_every=80")
    arguments = ["zoo", "train", "unet", "--data", str(store), "-o", str(run_folder), "--device", "cpu", *settings]
    log = run_folder / "log.jsonl"
    with subprocess.Popen(
        [*TORCHRUN, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE
    ) as two:
        while two.poll() is None and not (log.is_file() and log.read_text().count("\n") > 3):
            time.sleep(0.02)
        two.send_signal(signal.SIGTERM)
        _, said = two.communicate(timeout=600)
    newest = RunFolder(run_folder).newest_state()
    assert newest is not None, said.decode()[-2000:]
    assert 3 < newest[0] < 80
    assert f"stopped after step {newest[0]}, nothing is lost" in said.decode()
    assert len(steps_of(run_folder)) == newest[0]
    done = subprocess.run(
        [*TORCHRUN, *arguments, "--resume"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    lines = steps_of(run_folder)
    assert [line["step"] for line in lines] == list(range(1, 81))
    assert all({"loss_of_0", "loss_of_1"} <= line.keys() for line in lines)


TORCHRUN = [
    *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
    *("-m", "xsim_cli.app"),
]


def steps_of(run: Path) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record for record in records if "loss" in record]


def test_a_launcher_that_started_one_process_of_several_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `accelerate launch --cpu --num_processes 2` leaves in the environment: alone, it would train by itself."""
    for name, value in {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    arguments = ["zoo", "train", "unet", "--data", str(store), "-o", str(tmp_path / "run"), "--device", "cpu"]
    assert run([*arguments, *sets()]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "torchrun --nproc_per_node N -m xsim_cli.app zoo train" in error
    assert not (tmp_path / "run").exists()
