"""Where a user's own settings lie between runs: nothing makes them anew, as it does what is in the cache."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["config_folder"]


def config_folder() -> Path:
    """Return the folder of the user's settings, whether it exists or not.

    ``$XSIM_CONFIG`` wins, then ``$XDG_CONFIG_HOME/xsim``, then the platform's own place.
    """
    return Path(os.environ.get("XSIM_CONFIG") or platformdirs.user_config_dir("xsim", appauthor=False))
