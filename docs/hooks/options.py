"""Mark short options in running text, so that a line never ends between ``--`` and the name."""

from __future__ import annotations

import re
from typing import Any

_OPTION = re.compile(r"<code>(-{1,2}\w[^<]{0,28})</code>")


def on_page_content(html: str, **_: Any) -> str:
    """Give every short piece of code that begins with a hyphen a class for the style sheet."""
    return _OPTION.sub(r'<code class="option">\1</code>', html)
