"""The page of all pictures: collected from the pages that make them, so that none is missing or out of date."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

__all__ = ["gallery_page"]

_ORDER = ("index.md", "tutorials/*.md", "howto/*.md", "boards.md", "experiments.md", "explanation/*.md")
_PICTURE = re.compile(r"!\[(?P<shows>[^\]]+)\]\((?P<file>[^)\s]+)\)")
_TITLE = re.compile(r"^# (?P<title>.+)$", re.MULTILINE)
_HEAD = """# Gallery

Every picture of this documentation, under the page whose commands make it. They are drawn by the program itself, and
none is retouched; those of experiments show the image of median score, not the best.
"""


def gallery_page(docs: Path) -> str:
    """Return the page as markdown.

    Parameters
    ----------
    docs : Path
        Folder of the documentation.
    """
    parts = [_HEAD]
    seen: set[Path] = set()
    for path in chain.from_iterable(sorted(docs.glob(pattern)) for pattern in _ORDER):
        text = path.read_text(encoding="utf-8")
        pictures = []
        for match in _PICTURE.finditer(text):
            file = (path.parent / match["file"]).resolve()
            if file not in seen:
                seen.add(file)
                pictures += [
                    f"![{match['shows']}]({file.relative_to(docs.resolve()).as_posix()})",
                    f"*{match['shows']}.*",
                ]
        title = _TITLE.search(text)
        if pictures and title:
            parts.append("\n\n".join([f"## [{title['title']}]({path.relative_to(docs).as_posix()})", *pictures]) + "\n")
    return "\n".join(parts)
