"""Every file that a person names: what never ends, waits for ever or is no file is refused before it is read."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.faults.every_step import leftovers
from xsim.errors import InputError
from xsim.files.plain import TOML, read_plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.programs import Programs

GIB = 2**30
# Longer than any kind of file may be; it takes no room on the disk.
FAR_TOO_LONG = 2**40


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def too_long(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(FAR_TOO_LONG)


BAD: dict[str, Callable[[Path], None]] = {
    "endless": endless,
    "pipe": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "too long": too_long,
    "link to nothing": lambda path: path.symlink_to("nothing"),
}

# {f} is the bad file, {i} a sound image, {s} a sound store, {o} an output.
DOORS = {
    "detector file": ("f.toml", "detector --detector {f}"),
    "detector to keep": ("f.toml", "detectors add bench {f}"),
    "target curve": ("f.csv", "zoo run wiener {i} -o {o} --detectors image --pitch-mm 0.05 --target {f}"),
    "measured curves": ("f.csv", "detector --fit-mtf {f}"),
    "phantom": ("f.npz", "simulate {f} -o {o}"),
    "recipe to simulate": ("f.toml", "simulate --seed 1 --recipe {f} -o {o}"),
    "recipe": ("f.toml", "dataset make {f} -o {o}.zarr"),
    "detectors of a data set": ("f.toml", "dataset make tiny -o {o}.zarr --detectors {f}"),
    "baseline": ("f.toml", "measure e2737 --baseline {f} --dark {i}"),
    "weights": ("f.safetensors", "zoo run physics-sde {i} -o {o} --weights {f}"),
    "card": ("f.json", "zoo run physics-sde {i} -o {o} --weights {f}"),
    "detectors of a run": ("f.toml", "zoo run wiener {i} -o {o} --detectors {f}"),
    "training recipe": ("f.toml", "zoo train unet --data {s} -o {o} --recipe {f}"),
    "start of a training": ("f.safetensors", "zoo finetune physics-sde --data {s} -o {o} --from {f}"),
    "mesh": ("f.stl", "phantom mesh {f} --material Al -o {o}.npz"),
    "sidecar": ("f.raw.toml", "measure compare {i} {i} --polarity metal-dark f.raw"),
    "image": ("f.tif", "zoo run wiener {f} -o {o}"),
    "study": ("f.toml", "zoo study {f} -o {o}"),
    "journal": ("f.jsonl", "zoo eval wiener --data {s} -o {o}.html --journal {f}"),
}


@pytest.mark.parametrize("kinds", [["endless"], pytest.param([*BAD][1:], marks=pytest.mark.slow)], ids=" ".join)
@pytest.mark.parametrize("door", DOORS)
def test_no_door_reads_what_is_no_file(
    programs: Programs,
    images: Path,
    store: Path,
    tmp_path: Path,
    injected: Callable[..., None],
    door: str,
    kinds: list[str],
) -> None:
    name, words = DOORS[door]
    image = sorted((images / "lr").glob("*.tif"))[0]
    for kind in kinds:
        if door == "journal" and kind == "link to nothing":
            continue  # it is made where there is none
        folder = tmp_path / kind.replace(" ", "-")
        folder.mkdir()
        bad = folder / name
        BAD[kind](bad)
        if name == "f.safetensors":
            # Its card is sound, and says that there are tensors.
            bad.with_suffix(".json").write_text(
                '{"schema": "xsim.card/1", "restorer": "cdm", "physics": {}, "digest": "0"}'
            )
        given = [word.format(f=bad, i=image, s=store, o=folder / "out") for word in words.split()]
        if door == "sidecar":
            (folder / "f.raw").write_bytes(bytes(200))
            given = ["measure", "compare", str(folder / "f.raw"), str(image)]
        ended = programs.run(
            given, memory_bytes=3 * GIB, timeout_s=60, environment={"XSIM_CONFIG": str(folder / "config")}
        )
        ended.check_manners()
        assert ended.code == 2, (kind, ended)
        assert str(bad.with_suffix("")) in ended.err, (kind, ended.err)
        assert not (folder / "out").exists()
        assert not leftovers(folder)
        injected(kind)


def test_gerber_folders_hold_plain_files(programs: Programs, tmp_path: Path) -> None:
    folder = tmp_path / "board"
    folder.mkdir()
    for name, make in (("a.gtl", endless), ("b.gbl", os.mkfifo), ("c.gko", too_long)):
        make(folder / name)
    ended = programs.run(["phantom", "gerber", folder, "-o", tmp_path / "a.npz"], memory_bytes=GIB, timeout_s=60)
    ended.check_manners()
    assert ended.code == 2
    assert "holds no Gerber file" in ended.err


def test_a_file_of_proc_that_grows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.symlink_to("/proc/self/maps")  # a plain file of no length, with something in it
    with pytest.raises(InputError, match="grows while it is read"):
        read_plain(path, TOML)


def test_lengths_are_counted_exactly(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b" " * TOML.most_bytes)
    assert len(read_plain(path, TOML)) == TOML.most_bytes
    path.write_bytes(b" " * (TOML.most_bytes + 1))
    with pytest.raises(InputError, match=re.escape(f"a TOML file at most {TOML.most_bytes / 1e6:.0f} MB")):
        read_plain(path, TOML)


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_no_device_is_written_over(programs: Programs, tmp_path: Path, kind: str) -> None:
    bad = tmp_path / "out.csv"
    BAD[kind](bad)
    ended = programs.run(["spectrum", "--csv", bad, "--force"], timeout_s=60)
    ended.check_manners()
    assert ended.code == 2
    assert not bad.is_file()
