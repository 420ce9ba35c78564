"""Add the pages that are written by the code itself: command line, settings, format of data sets, all pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs loads hooks as files, not as a package

from command_line import command_line_page
from gallery import gallery_page
from settings import settings_page


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the generated pages."""
    root = Path(config.config_file_path).parent
    pages = {
        "gallery.md": gallery_page(root / "docs"),
        "reference/command-line.md": command_line_page(),
        "reference/settings.md": settings_page(),
        "reference/dataset-format.md": (root / "datasets" / "FORMAT.md").read_text(encoding="utf-8"),
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files
