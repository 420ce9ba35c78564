"""Fuzzers of what reads files: whatever the file holds, it is read, or one of xsim's own errors says what is wrong.

Run for longer in a process of its own, with little memory and a watch for hangs: ``python -m tests.faults.fuzz images
600`` prints the number of files tried; a crash, a hang or a foreign error ends it.
"""

from __future__ import annotations

import faulthandler
import hashlib
import io
import json
import re
import resource
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from tests.datasets.bad_files import CASES, GREY
from tests.faults.damage import damaged_bytes, damaged_documents
from xsim.errors import InputError, XsimError
from xsim.files.npz import read_npz
from xsim.phantoms import Phantom, random_board
from xsim.phantoms.gerber.parse import read_drills, read_gerber, read_outline_pieces
from xsim_datasets.images import anonymised, read_image, rehearse, write_image, written_kind
from xsim_datasets.recipe import recipe as recipe_module
from xsim_datasets.recipe.recipe import Recipe, load_recipe, recipe_names
from xsim_datasets.recipe.simulated import plan_of
from xsim_datasets.store.writer import estimate_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FUZZERS", "fuzz"]

HANG_S = 30.0
MEMORY_BYTES = 3 * 2**30
SECONDS_EACH = 10.0


@cache
def scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="xsim-fuzz-"))


def place(name: str, content: bytes) -> Path:
    path = scratch() / name
    path.write_bytes(content)
    return path


def sound_images() -> Iterator[tuple[str, bytes]]:
    """Yield sound files of every kind, with their suffixes."""
    for case in CASES:
        if case.pixels is not None and case.name[0].isascii():
            path = scratch() / f"sound{Path(case.name).suffix}"
            case.make(path)
            yield path.suffix.lower(), path.read_bytes()
    layouts: list[dict[str, Any]] = [
        {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}, {"tile": (16, 16), "compression": "zlib"},
        {"rowsperstrip": 7}, {"bigtiff": True, "compression": "zlib"}, {"metadata": None},
    ]  # fmt: skip
    for layout in layouts:
        file = io.BytesIO()
        tifffile.imwrite(file, GREY, **layout)
        yield ".tif", file.getvalue()
    pages = io.BytesIO()
    tifffile.imwrite(pages, np.stack([GREY] * 3).astype(np.float32), photometric="minisblack")
    yield ".tif", pages.getvalue()
    for kind in ("png", "jpeg"):
        picture = io.BytesIO()
        Image.fromarray((GREY >> 8).astype(np.uint8)).save(picture, format=kind)
        yield f".{kind}", picture.getvalue()


@cache
def images_by_suffix() -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for suffix, content in sound_images():
        found.setdefault(suffix, []).append(content)
    return found


@st.composite
def damaged_images(draw: st.DrawFn) -> tuple[str, bytes]:
    suffix = draw(st.sampled_from(sorted(images_by_suffix())))
    return suffix, draw(damaged_bytes(images_by_suffix()[suffix]))


def read_images(file: tuple[str, bytes]) -> None:
    suffix, content = file
    place("damaged.raw.toml", content if suffix == ".raw" else b"")
    path = place(f"damaged{suffix}", GREY.tobytes() if suffix == ".raw" else content)
    with suppress(InputError):
        radiograph = read_image(path, pages=True, log=True)
        assert np.isfinite(radiograph.pixels).all()
        assert radiograph.pixels.ndim in {2, 3}
        try:
            target = scratch() / f"written{'.tif' if written_of(suffix) is None else suffix}"
            rehearse(target, radiograph)
        except InputError:
            return
        # What was rehearsed is written, with all that its file says and without what it says about people.
        for one in (radiograph, anonymised(radiograph)):
            write_image(target, one, force=True, stamp={"restorer": "wiener"})


def written_of(suffix: str) -> str | None:
    try:
        return written_kind(Path(f"a{suffix}"))
    except InputError:
        return None


@cache
def recipes() -> list[dict[str, Any]]:
    return [json.loads(load_recipe(name).model_dump_json()) for name in recipe_names()]


@cache
def recipe_texts() -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(recipe_module.__file__).parent.glob("shipped/*.toml"))]


def inline(value: Any) -> str:
    """Return a value as TOML on one line; what TOML has no word for is left out."""
    if isinstance(value, dict):
        return "{" + ", ".join(pairs(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(item) for item in value if item is not None) + "]"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


def pairs(table: dict[Any, Any]) -> list[str]:
    return [f"{json.dumps(str(key))} = {inline(value)}" for key, value in table.items() if value is not None]


def as_toml(document: Any) -> bytes:
    return ("\n".join(pairs(document)) if isinstance(document, dict) else inline(document)).encode()


def damaged_recipes() -> st.SearchStrategy[bytes]:
    documents = st.sampled_from(recipes()).flatmap(damaged_documents).map(as_toml)
    return damaged_bytes(recipe_texts()) | documents


def parse_recipes(content: bytes) -> None:
    with suppress(InputError):
        recipe = load_recipe(str(place("damaged.toml", content)))
        assert isinstance(recipe, Recipe)
        assert estimate_bytes(plan_of(recipe, 0)) > 0


@cache
def sound_checkpoint() -> tuple[dict[str, Any], bytes]:
    """Return card and tensors of a tiny network."""
    from xsim_zoo.weights.card import shipped

    path = shipped()["physics-sde"]
    return json.loads(path.with_suffix(".json").read_text()), path.read_bytes()


@st.composite
def damaged_checkpoints(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return a card and its tensors; on some cards the digest of damaged tensors is the true one."""
    card, tensors = sound_checkpoint()
    if draw(st.booleans()):
        card = draw(damaged_documents(card))
    if draw(st.booleans()):
        tensors = draw(damaged_bytes([tensors]))
        if isinstance(card, dict) and draw(st.booleans()):
            card = {**card, "digest": hashlib.sha256(tensors).hexdigest()}
    text = json.dumps(card).encode()
    return draw(damaged_bytes([text])) if draw(st.integers(0, 3)) == 0 else text, tensors


def load_checkpoints(files: tuple[bytes, bytes]) -> None:
    from xsim_zoo import load

    place("damaged.json", files[0])
    path = place("damaged.safetensors", files[1])
    with suppress(XsimError):
        restorer = load("physics-sde", path, device="cpu")
        assert np.isfinite(restorer.restore_array(np.full((16, 16), 0.7, np.float32), steps=1)).all()


@cache
def sound_phantom() -> bytes:
    return random_board(seed=1, shape=(24, 24)).save(scratch() / "sound.npz").read_bytes()


@st.composite
def damaged_phantoms(draw: st.DrawFn) -> bytes:
    """Return phantoms whose bytes are damaged, or whose header says something else."""
    if draw(st.booleans()):
        return draw(damaged_bytes([sound_phantom()]))
    with np.load(io.BytesIO(sound_phantom())) as stored:
        arrays = dict(stored)
    header = draw(damaged_documents(json.loads(str(arrays["header"]))))
    file = io.BytesIO()
    np.savez(file, **{**arrays, "header": json.dumps(header)})
    return file.getvalue()


GERBER = b"""%FSLAX46Y46*%
%MOMM*%
%TF.FileFunction,Copper,L1,Top*%
%AMROUND*
$3=$1x2*
1,1,$1,0,0*
21,1,$1,$2,0,0,45*
4,1,3,0,0,1,0,1,1,0,0,0*
5,1,8,0,0,$3,0*%
%ADD10C,0.25*%
%ADD11R,1.5X0.8*%
%ADD12O,1.5X0.8X0.3*%
%ADD13P,1.0X6X30*%
%ADD14ROUND,0.4X0.6*%
D10*
X0Y0D02*
G01*
X1000000Y0D01*
G75*
G02*
X2000000Y1000000I0J1000000D01*
G36*
X0Y0D02*
G01*
X500000Y0D01*
X500000Y500000D01*
X0Y0D01*
G37*
D11*
X100000Y200000D03*
D13*
X300000Y200000D03*
%SRX2Y3I1.0J1.0*%
D14*
X300000Y400000D03*
%SR*%
%LPC*%
D12*
X300000Y600000D03*
M02*
"""
DRILL = b"""M48
METRIC,TZ,000.000
T1C0.300
T2C0.800
%
G90
T1
X1.0Y2.0
R3X1.0
T2
X2.0Y2.0G85X3.0Y2.0
M30
"""
HOSTILE = [b"0", b"-5", b"1000000000", b"9" * 30, b"9" * 5000, b"nan", b"1e999", b"1/0", b"$9", b"$1", b"", b".0000001"]


@st.composite
def damaged_gerbers(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a layer or a drill file whose bytes are damaged, or some of whose numbers are others."""
    suffix, sound = draw(st.sampled_from([(".gtl", GERBER), (".drl", DRILL)]))
    if draw(st.integers(0, 2)) == 0:
        return suffix, draw(damaged_bytes([sound]))
    parts = re.split(rb"(-?\d+\.?\d*)", sound)
    for _ in range(draw(st.integers(1, 3))):
        at = 2 * draw(st.integers(0, len(parts) // 2 - 1)) + 1
        parts[at] = draw(st.sampled_from(HOSTILE))
    return suffix, b"".join(parts)


def read_gerbers(file: tuple[str, bytes]) -> None:
    suffix, content = file
    path = place(f"damaged{suffix}", content)
    for read in (read_drills,) if suffix == ".drl" else (read_gerber, read_outline_pieces):
        with suppress(InputError):
            read(path)


def load_phantoms(content: bytes) -> None:
    with suppress(XsimError):
        assert Phantom.load(place("damaged.npz", content)).thickness_mm.ndim == 3


@cache
def sound_cache() -> bytes:
    file = io.BytesIO()
    np.savez(file, energy_keV=np.arange(40.0), fluence=np.ones((40, 2)))
    return file.getvalue()


def load_caches(content: bytes) -> None:
    place("damaged-cache.npz", content)
    with suppress(InputError):
        assert read_npz(scratch() / "damaged-cache.npz").keys() <= {"energy_keV", "fluence"}


FUZZERS: dict[str, tuple[Callable[[], st.SearchStrategy[Any]], Callable[[Any], None]]] = {
    "images": (damaged_images, read_images),
    "recipes": (damaged_recipes, parse_recipes),
    "checkpoints": (damaged_checkpoints, load_checkpoints),
    "phantoms": (damaged_phantoms, load_phantoms),
    "gerbers": (damaged_gerbers, read_gerbers),
    "caches": (lambda: damaged_bytes([sound_cache()]), load_caches),
}
"""What is damaged -> how, and what must stand it."""


class Damaged:
    """What a fuzzer made up; a report says where it lies instead of printing megabytes."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __repr__(self) -> str:
        return f"files in {scratch()}"


def fuzz(name: str, *, examples: int, number: int) -> None:
    """Try so many files; the ``number`` decides which."""
    files, check = FUZZERS[name]
    how = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    @st.composite
    def damaged(draw: st.DrawFn) -> Damaged:
        return Damaged(draw(files()))

    def stands_it(file: Damaged) -> None:
        check(file.content)

    seed(number)(how(given(damaged())(stands_it)))()


def fuzz_for(name: str, seconds: float) -> int:
    """Try files for a time, each within its own, and return how many."""
    files, check = FUZZERS[name]
    tried = 0

    def watched(file: Any) -> None:
        nonlocal tried
        tried += 1
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        began = time.process_time()
        check(file)
        assert time.process_time() - began < SECONDS_EACH, "took too long"

    FUZZERS[name] = (files, watched)
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        fuzz(name, examples=500, number=number)
    faulthandler.cancel_dump_traceback_later()
    return tried


def main() -> None:
    """Run one fuzzer: its name, and how long [s]."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    sys.stdout.write(f"{fuzz_for(sys.argv[1], float(sys.argv[2]))}\n")


if __name__ == "__main__":
    main()
