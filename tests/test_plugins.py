"""Packages that add to xsim, or fail to: names from metadata, code only when it is used, one line for what is broken.

`docs/howto/plugins.md` builds a package, installs it with pip and uses every part of it by the program; here packages
are folders with metadata.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from xsim import plugins
from xsim.errors import InputError, XsimWarning
from xsim.phantoms.objects.registry import RESERVED, drawer, object_names, usual_materials
from xsim_cli.app import main
from xsim_datasets.images import Radiograph, read_image, suffixes, write_image
from xsim_datasets.recipe.families import Wanted
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import load_recipe
from xsim_datasets.recipe.sources import source_of
from xsim_zoo.evaluation import results

GOOD = """
import numpy as np
from xsim.phantoms import Phantom
from xsim_datasets.images import FileFormat, Radiograph

def block(seed, shape=(64, 64), pixel_mm=0.1, *, material=None, thickness_mm=None, **view):
    maps = np.full((1, *shape), thickness_mm or 1.0, np.float32)
    return Phantom((material or "Al",), maps, pixel_mm, f"block-{seed}", f"block-{seed}", seed, (), (0.5,))

block.materials = ("Mg",)
not_a_phantom = lambda seed, *a, **k: 3

def read(path, *, max_pixels):
    return Radiograph(np.loadtxt(path, dtype=np.uint16, skiprows=1), "grey", white=65535.0)

def write(path, radiograph, stamp):
    np.savetxt(path, radiograph.pixels, fmt="%d", header="GREY", comments="")

GREY = FileFormat(read, write, magic=b"GREY")
READ_ONLY = FileFormat(read)
"""


def install(folder: Path, package: str, code: str, entries: dict[str, dict[str, str]]) -> str:
    """Write a package as pip would leave it, and return its module."""
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(dedent(code))
    info = folder / f"{module}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    (info / "RECORD").write_text(f"{module}.py,,\n")
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {module}:{v}\n" for k, v in own.items()) for group, own in entries.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return module


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return a folder whose packages are installed as soon as they are in it."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(plugins, "_said", set())
    plugins._declared.cache_clear()
    yield folder
    plugins._declared.cache_clear()


def xsim(site: Path, *words: object, more: str = "") -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", ""), *sys.path])
    code = f"import sys\nfrom xsim_cli.app import main\ntry:\n    main(sys.argv[1:])\nfinally:\n    {more or 'pass'}"
    command = [sys.executable, "-c", code, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def test_a_phantom_is_known_drawn_and_a_source_of_recipes(site, tmp_path):
    install(site, "more-things", GOOD, {"xsim.phantoms": {"block": "block", "odd": "not_a_phantom"}})
    assert object_names()[-2:] == ["block", "odd"]
    assert "more_things" not in sys.modules  # names come from the metadata alone
    assert drawer("block")(3, (8, 9), 0.1).shape == (8, 9)
    assert usual_materials("block") == ("Mg",)
    recipe = tmp_path / "blocks.toml"
    for name, what in (("block", None), ("odd", "draws a int"), ("blok", "did you mean block")):
        recipe.write_text(f'name = "b"\nsize_px = 32\n[[boards]]\nkind = "plugin"\nname = "{name}"\n')
        loaded = load_recipe(str(recipe))
        if what is not None:
            with pytest.raises(InputError, match=what):
                source_of(loaded, 0)
            continue
        source = source_of(loaded, 0)
        setup = setup_of(loaded.imaging)
        drawn = source.board(Wanted(0, 0, 0.64, 0.02, setup.hr_response)).phantom
        assert drawn.materials == ("Mg",)
        assert source.record() == {"kind": "plugin", "name": "block"}


def test_a_format_is_read_written_and_told_by_its_first_bytes(site, tmp_path):
    entries = {"grey": "GREY", "look": "READ_ONLY", "tif": "GREY"}
    install(site, "formats-of-mine", GOOD, {"xsim.formats": entries})
    with pytest.warns(XsimWarning, match=r"formats-of-mine adds a file format 'tif', a name of xsim's own"):
        assert suffixes()[-2:] == (".grey", ".look")
    plain = tmp_path / "a.tif"
    pixels = np.arange(600, dtype=np.uint16).reshape(20, 30)
    write_image(plain, Radiograph(pixels, "tiff", white=65535.0))
    write_image(tmp_path / "a.grey", read_image(plain))
    assert (read_image(tmp_path / "a.grey").pixels == pixels).all()
    with pytest.raises(InputError, match="is only read"):
        write_image(tmp_path / "a.look", read_image(plain))
    (tmp_path / "b.grey").write_bytes(plain.read_bytes())
    with pytest.raises(InputError, match=r"is named \.grey but holds TIFF: rename it"):
        read_image(tmp_path / "b.grey")


def test_names_of_xsim_and_names_claimed_twice_are_not_taken(site):
    install(site, "thief", GOOD, {"xsim.phantoms": {"weld": "block", "gerber": "block", "twice": "block"}})
    install(site, "other", GOOD, {"xsim.phantoms": {"twice": "block"}})
    with pytest.warns(XsimWarning) as said:
        known = object_names() + object_names()
    assert "twice" not in known
    texts = [str(item.message) for item in said]
    assert len(texts) == 3, "each is said once"
    assert "phantom 'twice' is added by other and thief: none is taken, uninstall all but one" in texts
    assert drawer("weld").__module__ == "xsim.phantoms.objects.welds"


def test_names_that_only_case_tells_apart_are_one(site, tmp_path):
    install(site, "thief", GOOD, {"xsim.phantoms": {"Weld": "block", "Twice": "block"}})
    install(site, "other", GOOD, {"xsim.phantoms": {"twice": "block"}, "xsim.formats": {"PNG": "GREY", "GREY": "GREY"}})
    with pytest.warns(XsimWarning) as said:
        kinds, ends = object_names(), suffixes()
    assert not {"Weld", "Twice", "twice"} & set(kinds)
    assert ends[-1] == ".grey"
    assert ends.count(".png") == 1
    texts = {str(item.message) for item in said}
    assert "the package thief adds a phantom 'Weld', a name of xsim's own: it is not taken" in texts
    assert "phantom 'Twice' or 'twice' is added by other and thief: none is taken, uninstall all but one" in texts
    # A suffix is found in whatever case a package or a file writes it.
    write_image(tmp_path / "a.Grey", Radiograph(np.arange(600, dtype=np.uint16).reshape(20, 30), "tiff", white=65535.0))
    assert read_image(tmp_path / "a.Grey").shape == (20, 30)


def test_the_program_reserves_the_names_that_the_library_does():
    from xsim_cli.phantom import _TAKEN

    assert set(RESERVED) <= set(_TAKEN) == {*RESERVED, *object_names()}


def test_damaged_metadata_costs_that_package_and_nothing_else(site):
    (site / "bad-1.0.dist-info").mkdir()
    (site / "bad-1.0.dist-info" / "METADATA").write_text("Name: bad\n")
    (site / "bad-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe[xsim")
    install(site, "sound", GOOD, {"xsim.phantoms": {"block": "block"}})
    with pytest.warns(XsimWarning, match=r"bad-1.0.dist-info: the metadata of this package cannot be read"):
        assert object_names()[-1] == "block"


def main_of_the_program(*words: str) -> object:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return left.value.code


def test_a_list_imports_nothing_and_a_broken_restorer_is_one_line(site, capsys):
    install(site, "broken-thing", "raise RuntimeError('no\\nlicence')", {"xsim.restorers": {"dear": "Dear"}})
    main(["zoo", "list", "--json"])
    listed = json.loads(capsys.readouterr().out)["restorers"]
    (entry,) = [item for item in listed if item["package"] is not None]
    assert (entry["name"], entry["package"], entry["learned"]) == ("dear", "broken-thing 1.5", None)
    assert main_of_the_program("zoo", "info", "dear") == 2
    assert capsys.readouterr().err == (
        "xsim: restorer 'dear' of the package broken-thing 1.5 cannot be used (RuntimeError: no licence): "
        "repair it, or pip uninstall broken-thing\n"
    )


def test_help_looks_at_no_package(site):
    install(site, "good-thing", GOOD, {"xsim.restorers": {"x": "X"}})
    seen = xsim(
        site, "--help", more="assert 'importlib.metadata' not in sys.modules or 'xsim.plugins' not in sys.modules"
    )
    assert seen.returncode == 0, seen.stderr


PROBES = """
from xsim_zoo.evaluation.probes.chi2 import Chi2 as Own
from xsim_zoo.evaluation.results import register

class Fine(Own):
    name = "fine"

class Chi2(Own):
    pass

class Twice(Own):
    name = "again"
"""


def test_probes_are_found_and_cannot_replace_one(site, monkeypatch):
    install(site, "probing", PROBES, {"xsim.probes": {"fine": "Fine", "chi2": "Chi2", "again": "Missing"}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XsimWarning)
        before = {name: found for name, found in results.sections().items() if name != "fine"}
    plugins._said.clear()
    monkeypatch.setattr(results, "_registered", dict(before))
    results._import_probes.cache_clear()
    with pytest.warns(XsimWarning) as said:
        found = results.sections()
    results._import_probes.cache_clear()
    assert set(found) - set(before) == {"fine"}
    assert all(found[name] is section for name, section in before.items())
    first, second = (str(item.message) for item in said)
    assert first == "the package probing adds a probe 'chi2', a name of xsim's own: it is not taken"
    assert second.startswith("probe 'again' of the package probing 1.5 cannot be used")


def test_warnings_of_the_program_are_one_line():
    from xsim_cli.app import _format_warning

    assert _format_warning(XsimWarning("a\nb"), XsimWarning, "f.py", 3) == "xsim: a b\n"
    assert "f.py:3" in _format_warning("a", UserWarning, "f.py", 3)
