"""The lowest versions that ``pyproject.toml`` promises, as constraints for pip: ``python -m tests.lowest``.

What `make test-lowest` installs. A bound that names no release fails there, and so does one that nothing can be
installed with. Needs Python alone, as it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["lowest"]

_BOUND = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?\s*>=\s*(?P<version>[\w.]+)")


def lowest(requirements: Iterable[str]) -> dict[str, str]:
    """Return package -> lowest version.

    Raises
    ------
    ValueError
        If a requirement has no lower bound.
    """
    found = {}
    for one in requirements:
        match = _BOUND.match(one)
        if match is None:
            raise ValueError(f"'{one}': has no lower bound")
        found[match["name"]] = match["version"]
    return found


def main() -> None:
    """Print the constraints: what the program needs, and the extras that tests want beside it."""
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(one for name in sys.argv[1:] for one in extras[name])]
    sys.stdout.writelines(f"{name}=={version}\n" for name, version in lowest(asked).items())


if __name__ == "__main__":
    main()
