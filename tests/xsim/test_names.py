"""Names that are one file on other systems: told, refused where a person names something, and met in folders."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest

from tests.folded import ignore_case
from xsim.detector import named
from xsim.errors import InputError
from xsim.files.whole import write_whole
from xsim.names import is_device, name_key, same_elsewhere, tells_case

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["Bench-3", "Stra\u00dfe", "B\u00c4NK", "\u0130", "\u01c5", "\u1e9e\u0323", "\u212bm"])
def test_every_spelling_of_a_name_has_its_key(name: str) -> None:
    key = name_key(name)
    assert name_key(key) == key
    assert key == name_key(name.upper()) == name_key(unicodedata.normalize("NFD", name))


def test_other_names_have_other_keys() -> None:
    assert same_elsewhere("Bench", ["bench2", "bench-", "Bench"]) is None
    assert same_elsewhere("B\u00e4nk", ["c", "BA\u0308NK"]) == "BA\u0308NK"


@pytest.mark.parametrize("name", ["con", "NUL", "Com1.tif", "lpt9.a.b", "aux .png"])
def test_devices_of_windows_are_known(name: str) -> None:
    assert is_device(name)
    assert not is_device(f"x{name}")


def test_a_folder_is_asked_whether_it_tells_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tells_case(tmp_path) == (not (tmp_path.parent / tmp_path.name.swapcase()).exists())
    ignore_case(monkeypatch, tmp_path)
    assert not tells_case(tmp_path)
    assert not list(tmp_path.iterdir())
    assert tells_case(tmp_path / "nowhere")  # what cannot be asked is for others to refuse


def test_the_simulated_folder_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ignore_case(monkeypatch, tmp_path)
    (tmp_path / "Sub").mkdir()
    write_whole(tmp_path / "sub" / "a.txt", b"1")
    write_whole(tmp_path / "SUB" / "A.TXT", b"2")
    assert [path.name for path in (tmp_path / "sUb").iterdir()] == ["a.txt"]
    assert (tmp_path / "sub" / "A.txt").read_bytes() == b"2"


@pytest.mark.parametrize("folded", [False, True])
def test_detectors_that_only_case_tells_apart_are_refused_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folded: bool
) -> None:
    monkeypatch.setenv("XSIM_CONFIG", str(tmp_path))
    if folded:
        ignore_case(monkeypatch, tmp_path)
    named.keep("bench", b"first")
    for force in (False, True):
        with pytest.raises(InputError, match="'Bench' and 'bench' are one file on Windows and macOS"):
            named.keep("Bench", b"other", force=force)
    with pytest.raises(InputError, match="device on Windows"):
        named.keep("Con", b"other")
    with pytest.raises(InputError, match="means something else"):
        named.keep("Image", b"other")
    named.keep("bench", b"second", force=True)
    assert {name: path.read_bytes() for name, path in named.named_detectors().items()} == {"bench": b"second"}
