"""Every way to damage a store that we could think of is found, and the item is named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.datasets.fake import FakeMaker, fake_plan
from xsim.errors import DamageError, MissingFileError, XsimError
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.manifest import Manifest, entry_of
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.verify import verify_store
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Callable

SHARD, OTHER = "pairs/c.0.0.0.0", "pairs/c.1.0.0.0"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "fake.zarr"
    make_store(FakeMaker(), fake_plan(), str(path), executor=Serial())
    return path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "copy.zarr"))


def flip(store: Path, key: str, position: int) -> None:
    data = bytearray((store / key).read_bytes())
    data[position] ^= 0x10
    (store / key).write_bytes(data)


def cut(store: Path, key: str, length: int) -> None:
    (store / key).write_bytes((store / key).read_bytes()[:length])


def grow(store: Path, key: str) -> None:
    (store / key).write_bytes((store / key).read_bytes() + b"\0")


def zeros(store: Path, key: str) -> None:
    (store / key).write_bytes(bytes((store / key).stat().st_size))


def swap(store: Path, first: str, second: str) -> None:
    one, two = (store / first).read_bytes(), (store / second).read_bytes()
    (store / first).write_bytes(two)
    (store / second).write_bytes(one)


def edit(store: Path, key: str, change: Callable[[Any], None]) -> None:
    content = json.loads((store / key).read_bytes())
    change(content)
    (store / key).write_text(json.dumps(content), encoding="utf-8")


def as_folder(store: Path, key: str) -> None:
    (store / key).unlink()
    (store / key).mkdir()


def as_pipe(store: Path, key: str) -> None:
    (store / key).unlink()
    os.mkfifo(store / key)


def as_link(store: Path, key: str) -> None:
    (store / key).rename(store.parent / "elsewhere")
    (store / key).symlink_to(store.parent / "elsewhere")


def add(store: Path, key: str) -> None:
    (store / key).parent.mkdir(exist_ok=True)
    (store / key).write_bytes(b"hello")


def reseal(store: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest and seal it again, as someone would who knows the format."""
    files = dict(Manifest.from_bytes((store / "manifest.json").read_bytes()).files)
    change(files)
    (store / "manifest.json").write_bytes(Manifest(files).to_bytes())


def lose_a_shard_consistently(store: Path) -> None:
    (store / OTHER).unlink()
    reseal(store, lambda files: files.pop(OTHER))


def edit_consistently(store: Path, key: str, change: Callable[[Any], None]) -> None:
    edit(store, key, change)
    reseal(store, lambda files: files.update({key: entry_of((store / key).read_bytes())}))


def move_consistently(store: Path) -> None:
    (store / OTHER).rename(store / "pairs/c.7.0.0.0")
    reseal(store, lambda files: files.update({"pairs/c.7.0.0.0": files.pop(OTHER)}))


def set_item(*path: str, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for name in path[:-1]:
            content = content[name]
        assert content[path[-1]] != value
        content[path[-1]] = value

    return change


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "bit flipped in a pair": (lambda s: flip(s, SHARD, 100), SHARD),
    "bit flipped in the shard's index": (lambda s: flip(s, SHARD, -10), SHARD),
    "bit flipped in the last byte": (lambda s: flip(s, OTHER, -1), OTHER),
    "shard cut by one byte": (lambda s: cut(s, SHARD, -1), SHARD),
    "shard cut to nothing": (lambda s: cut(s, SHARD, 0), SHARD),
    "shard grown by one byte": (lambda s: grow(s, SHARD), SHARD),
    "shard full of zeros": (lambda s: zeros(s, SHARD), SHARD),
    "shard missing": (lambda s: (s / SHARD).unlink(), SHARD),
    "shard is a folder": (lambda s: as_folder(s, SHARD), SHARD),
    "shard is a pipe": (lambda s: as_pipe(s, SHARD), SHARD),
    "shard is a link": (lambda s: as_link(s, SHARD), SHARD),
    "two shards swapped": (lambda s: swap(s, SHARD, OTHER), SHARD),
    "shard copied over another": (lambda s: shutil.copy(s / SHARD, s / OTHER), OTHER),
    "all shards missing": (lambda s: [p.unlink() for p in s.glob("pairs/c.*")], SHARD),
    "array document missing": (lambda s: (s / "pairs/zarr.json").unlink(), "pairs/zarr.json"),
    "array missing": (lambda s: shutil.rmtree(s / "pairs"), "pairs/zarr.json"),
    "array's shape edited": (
        lambda s: edit(s, "pairs/zarr.json", set_item("shape", value=[21, 2, 32, 32])),
        "pairs/zarr.json",
    ),
    "array's fill value edited": (
        lambda s: edit(s, "pairs/zarr.json", set_item("fill_value", value=0)),
        "pairs/zarr.json",
    ),
    "array's document re-indented": (lambda s: edit(s, "pairs/zarr.json", lambda c: None), "pairs/zarr.json"),
    "scale edited": (
        lambda s: edit(s, "zarr.json", set_item("attributes", "xsim", "plan", "scale", value=1e-4)),
        "zarr.json",
    ),
    "pitch edited": (
        lambda s: edit(s, "zarr.json", set_item("attributes", "xsim", "pitch_mm", value=0.05)),
        "zarr.json",
    ),
    "root document missing": (lambda s: (s / "zarr.json").unlink(), "zarr.json"),
    "root document is no JSON": (lambda s: (s / "zarr.json").write_bytes(b"{"), "zarr.json"),
    "column of the table damaged": (lambda s: flip(s, "table/split/c.0", 20), "table/split/c.0"),
    "column of the table missing": (lambda s: shutil.rmtree(s / "table/seed"), "table/seed/c.0"),
    "defect list missing": (lambda s: shutil.rmtree(s / "defects"), "defects/zarr.json"),
    "physics table damaged": (lambda s: flip(s, "physics/mtf_hr/c.0.0", 20), "physics/mtf_hr/c.0.0"),
    "foreign file": (lambda s: add(s, "notes.txt"), "notes.txt"),
    "foreign shard": (lambda s: add(s, "pairs/c.3.0.0.0"), "pairs/c.3.0.0.0"),
    "foreign array": (lambda s: shutil.copytree(s / "table/seed", s / "table/seed2"), "table/seed2/zarr.json"),
    "foreign empty folder": (lambda s: (s / "more").mkdir(), "more"),
    "work of a killed maker left": (lambda s: add(s, "parts/00000000.json"), "parts/00000000.json"),
    "half-written file left": (lambda s: add(s, "pairs/c.0.0.0.0.partial-77"), "pairs/c.0.0.0.0.partial-77"),
    "manifest missing": (lambda s: (s / "manifest.json").unlink(), "manifest.json"),
    "manifest cut": (lambda s: cut(s, "manifest.json", 300), "manifest.json"),
    "manifest empty": (lambda s: cut(s, "manifest.json", 0), "manifest.json"),
    "manifest is a list": (lambda s: (s / "manifest.json").write_bytes(b"[]"), "manifest.json"),
    "manifest's entry edited": (
        lambda s: edit(s, "manifest.json", lambda c: c["files"][SHARD].__setitem__(0, 1)),
        "manifest.json",
    ),
    "manifest's entry removed": (lambda s: edit(s, "manifest.json", lambda c: c["files"].pop(SHARD)), "manifest.json"),
    "manifest re-indented": (lambda s: edit(s, "manifest.json", lambda c: None), "manifest.json"),
    "manifest is a link": (lambda s: as_link(s, "manifest.json"), "manifest.json"),
    "shard lost and sealed again": (lose_a_shard_consistently, OTHER),
    "shard renamed and sealed again": (move_consistently, OTHER),
    "array's fill value edited and sealed again": (
        lambda s: edit_consistently(s, "pairs/zarr.json", set_item("fill_value", value=0)),
        "pairs/zarr.json",
    ),
    "number of pairs edited and sealed again": (
        lambda s: edit_consistently(s, "zarr.json", set_item("attributes", "xsim", "plan", "n", value=16)),
        "pairs/zarr.json",
    ),
    "plan removed and sealed again": (
        lambda s: edit_consistently(s, "zarr.json", lambda c: c["attributes"]["xsim"].pop("plan")),
        "zarr.json",
    ),
}


def test_a_sound_store_has_no_problem(sound: Path) -> None:
    for full in (False, True):
        report = verify_store(str(sound), full=full)
        assert report.ok, report.problems
        assert report.checked == len([path for path in sound.rglob("*") if path.is_file()]) - 1


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_named(store: Path, name: str) -> None:
    damage, item = DAMAGES[name]
    damage(store)
    report = verify_store(str(store))
    assert not report.ok
    assert item in [problem.item for problem in report.problems], report.problems


def test_swapped_shards_are_called_swapped(store: Path) -> None:
    swap(store, SHARD, OTHER)
    said = {problem.item: problem.what for problem in verify_store(str(store)).problems}
    assert said == {SHARD: f"holds the content of {OTHER}", OTHER: f"holds the content of {SHARD}"}


def test_a_family_on_two_sides_is_a_leak(tmp_path: Path) -> None:
    class Leaky(FakeMaker):
        def sample(self, index: int) -> Any:
            from dataclasses import replace

            return replace(super().sample(index), family=1)

    make_store(Leaky(), fake_plan(), str(tmp_path / "leaky.zarr"), executor=Serial())
    assert [problem.what for problem in verify_store(str(tmp_path / "leaky.zarr")).problems] == [
        "family 1 stands on two sides of the split"
    ]


def test_full_decodes_what_the_digests_cannot_see(store: Path) -> None:
    # A maker's own bug: the bytes are those of the manifest, and the pair is not there.
    flip(store, SHARD, 100)
    reseal(store, lambda files: files.update({SHARD: entry_of((store / SHARD).read_bytes())}))
    assert verify_store(str(store)).ok
    assert not verify_store(str(store), full=True).ok


@pytest.mark.parametrize("damage", ["bit flipped in a pair", "shard missing", "shard cut to nothing"])
def test_reading_a_damaged_pair_raises(store: Path, damage: str) -> None:
    DAMAGES[damage][0](store)
    with pytest.raises(DamageError, match="verify"):
        PairStore.open(store).read_batch(range(8))


@pytest.mark.parametrize("name", DAMAGES)
def test_opening_never_ends_in_a_foreign_error(store: Path, name: str) -> None:
    DAMAGES[name][0](store)
    try:
        opened = PairStore.open(store)
        opened.read_batch(range(opened.n))
        opened.table, opened.defects, opened.physics  # noqa: B018
    except XsimError:
        pass


@pytest.mark.parametrize("damage", [as_pipe, as_folder])
def test_a_store_whose_shard_is_no_file_does_not_open(store: Path, damage: Callable[[Path, str], None]) -> None:
    # Reading the pipe would wait for ever, so that opening has to say it.
    damage(store, OTHER)
    with pytest.raises(DamageError, match=f"{OTHER}: is no plain file"):
        PairStore.open(store)


def test_a_shard_behind_a_link_is_read(store: Path) -> None:
    as_link(store, OTHER)
    pairs = PairStore.open(store)
    assert pairs.read(pairs.n - 1)[0].shape == pairs.shape


def test_nothing_there_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        verify_store(str(tmp_path / "nothing.zarr"))
