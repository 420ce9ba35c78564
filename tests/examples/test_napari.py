"""The plugin of napari: its manifest fits its code, its reader and its widget do their work, its wheel is whole.

Nothing here needs napari or a display; where npe2 or napari are installed they judge the manifest and the widget too.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from xsim.errors import InputError
from xsim_datasets.images import Radiograph, write_image

PACKAGE = Path(__file__).parents[2] / "examples" / "napari-xsim"
MANIFEST = PACKAGE / "src" / "napari_xsim" / "napari.yaml"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PACKAGE / "src"))
    yield importlib.import_module("napari_xsim")
    for name in [name for name in sys.modules if name.startswith("napari_xsim")]:
        del sys.modules[name]


@pytest.fixture
def radiograph(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    grey = np.kron(rng.uniform(0.3, 1.0, (8, 9)), np.ones((10, 10))) + rng.normal(0, 0.01, (80, 90))
    pixels = (grey * 50_000).clip(0, 65_535).astype(np.uint16)
    write_image(tmp_path / "a.tif", Radiograph(pixels, "tiff", 0.048))
    return tmp_path / "a.tif"


def part(name: str) -> Any:
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)


def test_the_manifest_names_what_there_is(plugin: ModuleType) -> None:
    said = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    commands = {command["id"]: part(command["python_name"]) for command in said["contributions"]["commands"]}
    assert all(callable(command) and command.__doc__ for command in commands.values())
    (reader,), (widget,) = said["contributions"]["readers"], said["contributions"]["widgets"]
    assert reader["command"] in commands
    assert widget["command"] in commands
    assert all(name.startswith(f"{said['name']}.") for name in commands)
    from xsim_datasets.images import suffixes

    assert {pattern.removeprefix("*") for pattern in reader["filename_patterns"]} <= set(suffixes())


def test_npe2_takes_the_manifest(plugin: ModuleType) -> None:
    npe2 = pytest.importorskip("npe2", reason="npe2 is not installed")
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == "napari-xsim"


def test_the_reader_reads_grey_levels_and_pitch(plugin: ModuleType, radiograph: Path) -> None:
    from napari_xsim.reader import PATH, get_reader

    assert get_reader("notes.txt") is None
    read = get_reader([str(radiograph)])
    assert read is not None
    ((pixels, told, kind),) = read([str(radiograph)])
    assert (kind, pixels.dtype, pixels.shape) == ("image", np.uint16, (80, 90))
    assert told["scale"] == pytest.approx((0.048, 0.048))
    assert told["metadata"][PATH] == str(radiograph)
    (radiograph.parent / "b.tif").write_bytes(b"nothing")
    with pytest.raises(OSError, match=r"b\.tif"):
        read(str(radiograph.parent / "b.tif"))


def test_the_widget_restores_a_layer(plugin: ModuleType, radiograph: Path) -> None:
    from napari_xsim.reader import get_reader
    from napari_xsim.restoring import restored_layers as restore

    import xsim_zoo

    ((pixels, told, _),) = get_reader(str(radiograph))(str(radiograph))
    layer = SimpleNamespace(data=pixels, **told)
    ((restored, attributes, kind),) = restore(layer, "wiener", detectors="weights", open_field=50_000.0)
    expected = xsim_zoo.load("wiener").restore(radiograph, open_field=50_000.0)
    assert (kind, restored.dtype) == ("image", np.uint16)
    np.testing.assert_array_equal(restored, expected.radiograph()[0].pixels)
    assert attributes["metadata"]["verdict"] == expected.consistency.verdict
    assert attributes["scale"] == layer.scale
    # A layer that came from elsewhere: its scale is the pitch, and somebody has to say the open field.
    other = SimpleNamespace(data=pixels, name="made", scale=(0.048, 0.048), metadata={})
    with pytest.raises(InputError, match="grey level of its open field"):
        restore(other, "wiener", detectors="weights")
    ((again, _, _),) = restore(other, "wiener", detectors="weights", open_field=50_000.0)
    np.testing.assert_array_equal(again, restored)


def test_magicgui_makes_the_widget(plugin: ModuleType) -> None:
    pytest.importorskip("napari", reason="napari is not installed")
    magicgui = pytest.importorskip("magicgui", reason="magicgui is not installed")
    from napari_xsim.restoring import restore

    widget = magicgui.magicgui(restore)
    assert [one.name for one in widget][:2] == ["image", "restorer"]
    widget.open_field.value = 50_000.0


def test_the_widgets_fields_hold_16_bit_grey_levels(plugin: ModuleType) -> None:
    """Fields of magicgui end at 999 unless they are told otherwise; it reads annotations as they are, not postponed."""
    from napari_xsim.restoring import restore

    ends = {name: one.annotation for name, one in inspect.signature(restore).parameters.items()}
    assert ends["open_field"].__metadata__[0]["max"] >= 65_535
    assert ends["samples"].__metadata__[0]["min"] == 0
    assert ends["image"] == "napari.layers.Image"


def test_the_wheel_holds_plugin_and_manifest(tmp_path: Path) -> None:
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    wheel = next(builders.WheelBuilder(str(PACKAGE)).build(directory=str(tmp_path)))
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
        (entries,) = [name for name in names if name.endswith("entry_points.txt")]
        said = content.read(entries).decode()
    assert {f"napari_xsim/{name}" for name in ("__init__.py", "reader.py", "restoring.py", "napari.yaml")} <= names
    assert {name.split("/")[0] for name in names} == {"napari_xsim", "napari_xsim-0.1.0.dist-info"}
    assert "[napari.manifest]\nnapari-xsim = napari_xsim:napari.yaml" in said
