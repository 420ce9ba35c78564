"""Turn TeX into MathML when the site is built, so that equations need neither a network nor a script.

`pymdownx.arithmatex` (generic) finds the formulas; `latex2mathml` writes the MathML that browsers draw themselves.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

_INLINE = re.compile(r'<span class="arithmatex">\\\((.+?)\\\)</span>', re.DOTALL)
_DISPLAY = re.compile(r'<div class="arithmatex">\s*\\\[(.+?)\\\]\s*</div>', re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    """Replace every formula of a page by its MathML."""
    html = _DISPLAY.sub(lambda found: f'<div class="equation">{_mathml(found[1], "block")}</div>', html)
    return _INLINE.sub(lambda found: _mathml(found[1], "inline"), html)


def _mathml(tex: str, display: str) -> str:
    return convert(unescape(tex).strip(), display=display)
