"""Which packages weights need beside xsim: those of their restorer and of its backbone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from xsim.errors import InputError
from xsim.plugins import package_of
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.restorers.registry import names
from xsim_zoo.weights.card import Card

__all__ = ["check_packages", "packages_of"]


def packages_of(restorer: Restorer) -> dict[str, str]:
    """Return the packages, with versions, that bring a restorer and its backbone where xsim does not.

    A module that belongs to no installed package, as of a script's own, stands under its own name.
    """
    modules = {"restorer": type(restorer).__module__}
    if isinstance(restorer, LearnedRestorer) and restorer.network.spec != "unet":
        modules["backbone"] = restorer.network.spec.partition(":")[0]
    return {
        part: package_of(module) or module
        for part, module in modules.items()
        if module.partition(".")[0] != __name__.partition(".")[0]
    }


def check_packages(card: Card, path: Path) -> None:
    """Refuse weights whose restorer or backbone is of a package that is not installed here.

    Raises
    ------
    InputError
        Naming the package.
    """
    spec = str(card.options.get("backbone", ""))
    missing = {
        "restorer": card.restorer not in names() and f"the restorer '{card.restorer}'",
        "backbone": bool(spec) and not _is_there(spec.partition(":")[0]) and f"the network '{spec}'",
    }
    for part, package in card.packages.items():
        if what := missing.get(part):
            raise InputError(
                f"{path}: {what} comes with the package {package}, which is not installed here: "
                f"pip install {str(package).partition(' ')[0]}"
            )


def _is_there(module: str) -> bool:
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
