"""Tidy the HTML where Markdown and mkdocstrings leave something to wish for."""

from __future__ import annotations

import re
from typing import Any

# A line of running text must not end between ``--`` and the name of an option.
_OPTION = re.compile(r"<code>(-{1,2}\w[^<]{0,28})</code>")
# A type that is returned without a word about it: no dash with nothing behind it.
_SAYS_NOTHING = re.compile(r'\s+–\s*<div class="doc-md-description">\s*</div>')


def on_page_content(html: str, **_: Any) -> str:
    """Mark short options for the style sheet, and drop empty descriptions."""
    return _SAYS_NOTHING.sub("", _OPTION.sub(r'<code class="option">\1</code>', html))
