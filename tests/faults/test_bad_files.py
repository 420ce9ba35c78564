"""Every kind of bad file, given to the program: one line that names it, the right exit code, nothing left behind."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import struct
from typing import TYPE_CHECKING, Any

import pytest

from tests.datasets.bad_files import CASES
from tests.faults.every_step import leftovers
from xsim_zoo.weights.card import shipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.programs import Programs

pytestmark = pytest.mark.slow

BAD_IMAGES = [case for case in CASES if case.pixels is None and case.name not in {"missing.tif", "folder.tif"}]


def test_bad_images_do_not_stop_the_good_one(
    programs: Programs, images: Path, tmp_path: Path, injected: Callable[..., None]
) -> None:
    bad, out = tmp_path / "bad", tmp_path / "out"
    bad.mkdir()
    for case in BAD_IMAGES:
        case.make(bad / case.name)
    good = sorted((images / "lr").glob("*.tif"))[0]
    given = [str(bad / case.name) for case in BAD_IMAGES]
    ended = programs.run(["zoo", "run", "wiener", *given, good, "-o", out, "--detectors", "weights", "--json"])
    ended.check_manners()
    assert ended.code == 3
    document = json.loads(ended.out)
    assert [file["input"] for file in document["files"]] == [str(good)]
    failed = {entry["input"]: entry["error"] for entry in document["failed"]}
    assert set(failed) == set(given)
    assert all(error.startswith(path) and "\n" not in error for path, error in failed.items())
    assert sorted(path.name for path in out.iterdir()) == sorted([good.name, f"{good.name}.json"])
    injected("bad image", len(given))


def header_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def packed(header: bytes, body: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def longer(content: bytes) -> bytes:
    """Claim one more row of one tensor than there are bytes for."""
    header, body = header_of(content)
    name = next(name for name in header if name != "__metadata__")
    header[name]["shape"] = [header[name]["shape"][0] + 1, *header[name]["shape"][1:]]
    return packed(json.dumps(header).encode(), body)


def not_finite(content: bytes) -> bytes:
    header, body = header_of(content)
    return packed(json.dumps(header).encode(), struct.pack("<f", float("nan")) + body[4:])


BAD_TENSORS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated header": lambda content: content[:40],
    "truncated tensors": lambda content: content[:-100],
    "header longer than the file": lambda content: struct.pack("<Q", 2**40) + content[8:],
    "more rows than bytes": longer,
    "no header": lambda content: packed(b"[]", content),
    "NaN": not_finite,
    "deep header": lambda content: packed(b"[" * 100_000 + b"]" * 100_000, b""),
    "pickle": lambda content: pickle.dumps({"weights": 1}),
    "flipped bit": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
}


@pytest.mark.parametrize("digest", ["true", "old"])
@pytest.mark.parametrize("kind", BAD_TENSORS)
def test_bad_weights(
    programs: Programs, images: Path, tmp_path: Path, injected: Callable[..., None], kind: str, digest: str
) -> None:
    if (kind, digest) == ("flipped bit", "true"):
        pytest.skip("a bit that its digest vouches for is no damage")
    source = shipped()["physics-sde"]
    content = BAD_TENSORS[kind](source.read_bytes())
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(content)
    card = json.loads(source.with_suffix(".json").read_text())
    if digest == "true":
        card["digest"] = hashlib.sha256(content).hexdigest()
    weights.with_suffix(".json").write_text(json.dumps(card))
    ended = programs.run(["zoo", "run", "physics-sde", images / "lr", "-o", tmp_path / "out", "--weights", weights])
    ended.check_manners()
    assert ended.code in {1, 2}
    assert str(weights) in ended.err
    assert not (tmp_path / "out").exists()
    injected("bad weights")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl", ".bin"])
def test_pickles_are_refused_unopened(
    programs: Programs, images: Path, tmp_path: Path, injected: Callable[..., None], suffix: str
) -> None:
    trap = tmp_path / f"weights{suffix}"
    # Unpickling it would make a file.
    trap.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "sprung").encode() + b"'\ntR.")
    shutil.copy(shipped()["physics-sde"].with_suffix(".json"), trap.with_suffix(".json"))
    ended = programs.run(["zoo", "run", "physics-sde", images / "lr", "-o", tmp_path / "out", "--weights", trap])
    ended.check_manners()
    assert ended.code == 2
    assert "pickle" in ended.err
    assert not (tmp_path / "sprung").exists()
    injected("bad weights")


BAD_RECIPES = {
    "empty": b"",
    "no TOML": b"name = ",
    "no text": b"\xff\xfe\x00name",
    "unknown key": b"name = 'a'\nmakes = 3\n",
    "wrong type": b"name = 'a'\nn = 'many'\n",
    "not a number": b"name = 'a'\nn = nan\n",
    "too many": b"name = 'a'\nn = 99999999999999999999999999\n",
    "voltage": b"name = 'a'\n[imaging]\nkvp = 5\n",
    "hostile text": b"name = '<script>../../etc'\nboards = '__import__(\"os\")'\n",
    "a list": b"[[name]]\n[[name]]\n",
    "deep": b"name = " + b"[" * 5000 + b"]" * 5000,
}


@pytest.mark.parametrize("kind", BAD_RECIPES)
def test_bad_recipes(programs: Programs, tmp_path: Path, injected: Callable[..., None], kind: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(BAD_RECIPES[kind])
    ended = programs.run(["dataset", "make", recipe, "-o", tmp_path / "a.zarr", "--dry-run"])
    ended.check_manners()
    assert ended.code == 2, ended
    assert str(recipe) in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.toml"]
    assert not leftovers(tmp_path)
    injected("bad recipe")
