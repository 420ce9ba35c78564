"""The site is built strictly, loads nothing from elsewhere, and shows its equations without a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//', text), page


def test_equations_are_mathml(site: Path) -> None:
    text = (site / "explanation" / "process.html").read_text(encoding="utf-8")
    assert text.count("<math") > 30
    assert "arithmatex" not in text
    assert "\\frac" not in re.sub(r"<annotation.*?</annotation>", "", text)


def test_every_command_and_its_options_are_in_the_reference(site: Path) -> None:
    text = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
    for words in (
        "xsim zoo run",
        "xsim dataset import",
        "xsim measure nnps",
        "--open-field",
        "--mass-thickness-mg-cm2",
    ):
        assert words in text, words


def test_settings_come_from_the_models(site: Path) -> None:
    from xsim_datasets.recipe.recipe import Imaging
    from xsim_zoo.training.settings import TrainSettings

    text = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    for name in (*Imaging.model_fields, *TrainSettings.model_fields):
        assert f"<code>{name}</code>" in text, name


def test_public_names_have_a_place_in_the_reference(site: Path) -> None:
    import xsim
    import xsim_zoo

    text = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    for package in (xsim, xsim_zoo):
        for name in package.__all__:
            module = getattr(getattr(package, name), "__module__", None)  # modules and texts have none
            if module is not None:
                assert f'id="{module}"' in text, f"{package.__name__}.{name}: {module} has no place"
