"""`xsim zoo run` as a person meets it: lines, exit codes, records, nothing lost."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim_cli.app import main
from xsim_zoo.process.physics import Physics
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.checkpoint import save_checkpoint
from xsim_zoo.weights.loading import build

PHYSICS = Physics(closed_form(), power_law())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return run folders of both kinds of restorer, with fresh networks."""
    folders = {}
    for name in ("wiener", "physics-sde"):
        restorer = build(name, PHYSICS, size="tiny") if name == "physics-sde" else build(name, PHYSICS)
        tensors = restorer.network.state_dict() if restorer.learned else {}
        options = {"size": "tiny"} if restorer.learned else {}
        folders[name] = tmp_path_factory.mktemp(name)
        save_checkpoint(
            folders[name] / "weights.safetensors",
            Card(restorer=name, physics=PHYSICS.to_dict(), options=options),
            tensors,
        )
    return folders


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(3):
        y = degrade(board(seed, (90, 101)), PHYSICS, seed)
        tifffile.imwrite(folder / f"board{seed}.tif", np.rint(y * 50000).clip(0, 65535).astype(np.uint16))
    return folder


def xsim(*words):
    try:
        main([str(word) for word in words])
    except SystemExit as left:
        return left.code or 0
    return 0


def test_one_file_to_one_file(images, weights, tmp_path, capsys):
    out = tmp_path / "out.tif"
    words = ("--weights", weights["wiener"], "--polarity", "metal-dark")
    assert xsim("zoo", "run", "wiener", images / "board0.tif", "-o", out, *words) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "0.048 mm of the weights assumed" in said.err
    assert "open field estimated" in said.err
    assert "consistent with the measurement" in said.err
    assert tifffile.imread(out).shape == (90, 101)
    record = json.loads((tmp_path / "out.tif.json").read_text())
    assert record["schema"] == "xsim.zoo.run.file/1"
    with tifffile.TiffFile(out) as file:
        stamp = json.loads(file.pages[0].tags[65042].value)
    assert stamp["input_sha256"] == record["input_sha256"]
    assert stamp["restorer"] == "wiener"
    assert stamp["weights"] == record["identity"]["weights"]


def test_json_keeps_the_contract(images, weights, tmp_path, capsys):
    assert xsim("zoo", "run", "wiener", images, "-o", tmp_path / "o", "--weights", weights["wiener"], "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "xsim.zoo.run/1"
    assert document["failed"] == []
    wanted = {"input", "output", "shape", "dtype", "seconds", "open_field", "pitch_mm", "clipped_pixels", "consistency"}
    for entry in document["files"]:
        assert wanted <= set(entry)
        assert {"verdict", "band_lp_mm", "chi2"} <= set(entry["consistency"])
        assert entry["dtype"] == "uint16"
        assert entry["shape"] == [90, 101]


def test_one_bad_file_does_not_stop_the_rest(images, weights, tmp_path, capsys):
    (images / "board1.tif").write_bytes(b"II*\0 not really")
    assert xsim("zoo", "run", "wiener", images, "-o", tmp_path / "o", "--weights", weights["wiener"]) == 3
    said = capsys.readouterr().err
    assert "board1.tif: holds no image" in said
    assert "2 restored, 1 failed" in said
    assert sorted(path.name for path in (tmp_path / "o").glob("*.tif")) == ["board0.tif", "board2.tif"]


def test_a_second_run_skips_what_is_finished(images, weights, capsys):
    words = ("zoo", "run", "wiener", images, "--weights", weights["wiener"], "--json")
    assert xsim(*words) == 0
    first = json.loads(capsys.readouterr().out)["files"]
    assert [entry["skipped"] for entry in first] == [False] * 3
    (images / "board2_restored.tif").unlink()
    assert xsim(*words) == 0
    second = json.loads(capsys.readouterr().out)["files"]
    # Results are no inputs of the second run; what is missing or altered is made again.
    assert [entry["skipped"] for entry in second] == [True, True, False]
    assert xsim(*words, "--steps", 2) == 2  # other settings: the results that stand are not replaced
    assert xsim(*words, "--steps", 2, "--force") == 0


def test_nothing_is_overwritten(images, weights, tmp_path, capsys):
    out = tmp_path / "out.tif"
    out.write_bytes(b"mine")
    assert xsim("zoo", "run", "wiener", images / "board0.tif", "-o", out, "--weights", weights["wiener"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert out.read_bytes() == b"mine"
    for target in (images / "board0.tif", images):
        assert xsim("zoo", "run", "wiener", images, "-o", target, "--weights", weights["wiener"], "--force") == 2


def test_samples_and_picture_lie_beside_the_result(images, weights, tmp_path, capsys):
    words = ("--samples", 2, "--steps", 1, "--picture", "--roi", "10,12,40,30", "--json", "-o", tmp_path / "out.tif")
    assert xsim("zoo", "run", "physics-sde", images / "board0.tif", *words, "--weights", weights["physics-sde"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["files"]
    assert tifffile.imread(entry["std"]).dtype == np.float32
    assert (tmp_path / "out_picture.png").stat().st_size > 10_000
    # An existing companion stops the run before it computes, and results are no inputs of a later run.
    (tmp_path / "out.tif").unlink()
    assert xsim("zoo", "run", "physics-sde", images / "board0.tif", *words, "--weights", weights["physics-sde"]) == 2
    assert not (tmp_path / "out.tif").exists()


def test_results_and_their_companions_are_no_inputs(images, weights, capsys):
    words = ("zoo", "run", "physics-sde", images, "--weights", weights["physics-sde"], "--steps", 1, "--json")
    assert xsim(*words, "--samples", 2, "--picture") == 0
    assert len(list(images.iterdir())) == 3 * 5
    assert xsim(*words, "--samples", 2, "--picture") == 0
    document = capsys.readouterr().out
    assert document.count('"skipped": true') == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("physic-sde", "a.tif"), "did you mean physics-sde"),
        (("wiener", "missing.tif"), "missing.tif: no such file"),
        (("wiener", "*.nothing"), "no file fits"),
        (("wiener", "board0.tif", "--polarity", "up"), "up"),
        (("wiener", "board0.tif", "--sharpness", "2"), "sharpness"),
        (("wiener", "board0.tif", "--device", "cuda:9"), "device"),
        (("wiener", "board0.tif", "--flips", "--samples", "4"), "--flips or --samples"),
        (("wiener", "board0.tif", "-o", "nowhere.gif"), "no kind of image"),
        (("wiener", "board0.tif", "board1.tif", "-o", "both.tif"), "name a folder"),
        (("wiener", "rgb.tif"), "one grey channel"),
        (("wiener", "nan.tif"), "NaN"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(images, weights, capsys, monkeypatch, words, says):
    monkeypatch.chdir(images)
    tifffile.imwrite("rgb.tif", np.zeros((20, 20, 3), np.uint8), photometric="rgb")
    tifffile.imwrite("nan.tif", np.full((20, 20), np.nan, np.float32))
    assert xsim("zoo", "run", *words, "--weights", weights["wiener"]) == 2
    said = capsys.readouterr().err.strip()
    assert says in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_a_dry_run_says_everything_and_writes_nothing(images, weights, tmp_path, capsys):
    words = ("zoo", "run", "physics-sde", images, "-o", tmp_path / "o", "--weights", weights["physics-sde"])
    assert xsim(*words, "--dry-run", "--json") == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert len(files) == 3
    for file in files:
        assert file["tiles"] == 3  # one tile, three steps
        assert file["memory_bytes"] > 90 * 101 * 4
        assert file["seconds"] >= 0
    assert not (tmp_path / "o").exists()
    assert xsim(*words, "--flips", "--dry-run", "--json") == 0
    for plain, flipped in zip(files, json.loads(capsys.readouterr().out)["files"], strict=True):
        assert flipped["tiles"] == 8 * plain["tiles"]
        assert flipped["memory_bytes"] == plain["memory_bytes"] + 4 * 90 * 101


def test_the_users_own_detectors_replace_those_of_the_weights(images, weights, tmp_path, capsys):
    from xsim.files.toml import write_toml

    file = tmp_path / "detectors.toml"
    soft = closed_form(width=2.0)
    write_toml(file, {"hr": detector(), "lr": detector(), "degradation": soft.to_dict()})
    words = ("zoo", "run", "wiener", images / "board0.tif", "--weights", weights["wiener"])
    assert xsim(*words, "-o", tmp_path / "own.tif", "--detectors", file) == 0
    assert xsim(*words, "-o", tmp_path / "shipped.tif") == 0
    own, shipped = (tifffile.imread(tmp_path / name).astype(float) for name in ("own.tif", "shipped.tif"))
    assert np.abs(np.diff(own)).mean() > 1.1 * np.abs(np.diff(shipped)).mean()
    assert xsim(*words, "-o", tmp_path / "c.tif", "--detectors", tmp_path / "no.toml") == 2
    assert "no.toml" in capsys.readouterr().err


def detector():
    from xsim.detector.detector import Detector, Screen, Sensor

    return Detector(Screen(100.0), Sensor()).to_dict()


def test_interrupting_keeps_what_is_finished(images, weights, tmp_path, capsys, monkeypatch):
    from xsim_zoo.run import files as running

    whole, calls = running.restore, []

    def interrupted(*words, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*words, **options)

    monkeypatch.setattr(running, "restore", interrupted)
    out = tmp_path / "o"
    words = ("zoo", "run", "wiener", images, "-o", out, "--weights", weights["wiener"])
    assert xsim(*words) == 130
    assert "1 of 3 files are finished" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["board0.tif", "board0.tif.json"]
    assert xsim(*words, "--json") == 0
    assert [entry["skipped"] for entry in json.loads(capsys.readouterr().out)["files"]] == [True, False, False]


def test_a_full_disk_leaves_no_half(images, weights, tmp_path, capsys, monkeypatch):
    from xsim_datasets.images import files

    def full(*words):
        words[0].write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(files._WRITERS, "tiff", full)
    words = ("zoo", "run", "wiener", images / "board0.tif", "-o", tmp_path / "a.tif", "--weights", weights["wiener"])
    assert xsim(*words) == 1
    assert "no space left" in capsys.readouterr().err
    assert not list(tmp_path.glob("*a.tif*"))


def test_reports_and_their_index(images, weights, tmp_path, capsys):
    (images / "board1.tif").write_bytes(b"II*\0 not really")
    words = ("zoo", "run", "wiener", images, "-o", tmp_path / "o", "--weights", weights["wiener"], "--report", "--json")
    assert xsim(*words) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["index"] == str(tmp_path / "o" / "index.html")
    for entry in document["files"]:
        assert entry["report"] == f"{entry['output']}.html"
        assert "<title>board" in (tmp_path / "o" / f"{entry['output'].rsplit('/', 1)[-1]}.html").read_text()
    index = (tmp_path / "o" / "index.html").read_text()
    assert index.count('<a href="./board') == 2
    assert "board1.tif" in index
    # A page that is missing is asked for by a run that is finished else.
    (tmp_path / "o" / "board0.tif.html").unlink()
    assert xsim(*words, "--force") == 3
    assert (tmp_path / "o" / "board0.tif.html").is_file()


def test_a_page_that_exists_and_an_index_of_others_stay(images, weights, tmp_path, capsys):
    page = tmp_path / "out.tif.html"
    page.write_text("mine")
    words = ("zoo", "run", "wiener", "--weights", weights["wiener"], "--report")
    assert xsim(*words, images / "board0.tif", "-o", tmp_path / "out.tif") == 2
    assert page.read_text() == "mine"
    assert not (tmp_path / "out.tif").exists()
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "index.html").write_text("mine")
    assert xsim(*words, images, "-o", tmp_path / "o") == 2
    assert "is no index of reports" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["index.html"]


def test_without_report_nothing_of_it_is_imported(images, weights, tmp_path, monkeypatch):
    import sys

    for name in ("page", "index"):
        monkeypatch.setitem(sys.modules, f"xsim_zoo.run.report.{name}", None)
    words = ("zoo", "run", "wiener", images / "board0.tif", "--weights", weights["wiener"])
    assert xsim(*words, "-o", tmp_path / "out.tif") == 0
    assert xsim(*words, "-o", tmp_path / "other.tif", "--report") != 0
