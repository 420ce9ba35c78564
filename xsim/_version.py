"""The version of xsim and the name that it is installed by, in one place; the build reads the version from here."""

import sys
from pathlib import Path

__version__ = "0.2.0"

DISTRIBUTION = "xsim-xray"
"""What pip installs: the index's ``xsim`` is a tool for customers of a mobile operator; its program is ``xsim`` too."""


def namesakes() -> list[str]:
    """Return the installed distributions that bring another program called xsim, or an xsim from before the new name.

    Returns
    -------
    list of str
        Name and version, as in ``xsim-1.0.3``. The names of their folders are enough: `importlib.metadata` would add a
        tenth to the time of ``xsim --help``.
    """
    folders = [Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    found = [item for folder in folders for item in folder.glob("xsim-*") if item.suffix in {".dist-info", ".egg-info"}]
    return sorted(item.stem for item in found)
