"""What every page shares: templates that escape all they show, and styles and scripts that stand in the page itself.

Pages are sent by mail and opened from a disk, so nothing is loaded from elsewhere. A content security policy in the
page admits our styles and scripts by their hashes, and nothing that a file name or a description may smuggle in.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files as resources
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["embedded", "environment", "inline", "policy"]

_OWN = "xsim_zoo.pages"


@cache
def environment(*packages: str) -> Environment:
    """Return the templates of packages, those of the first in front; all that they show is escaped.

    They are the same for every page, as a template is compiled once: that takes longer than to fill it.

    Parameters
    ----------
    *packages : str
        Names of packages with a folder ``templates``.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def inline(name: str, package: str = _OWN) -> dict[str, Any]:
    """Return a style sheet or script of a package, and the hash by which a page's policy admits it and no other.

    Parameters
    ----------
    name : str
        A file of the package's folder ``static``.
    package : str
        Name of the package.
    """
    text = resources(package).joinpath("static", name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": f"sha256-{digest}"}  # noqa: S704 - shipped with the package


def policy(styles: Sequence[Mapping[str, Any]], scripts: Sequence[Mapping[str, Any]], *more: str) -> str:
    """Return the content security policy of a page: its own styles, scripts and pictures, and no network.

    Parameters
    ----------
    styles, scripts : sequence of mappings
        What `inline` returned.
    *more : str
        Further directives.
    """

    def admitted(parts: Sequence[Mapping[str, Any]]) -> str:
        return " ".join(f"'{part['hash']}'" for part in parts) or "'none'"

    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src {admitted(styles)}",
            f"script-src {admitted(scripts)}",
            "base-uri 'none'",
            "form-action 'none'",
            *more,
        )
    )


def embedded(numbers: str) -> Markup:
    """Return JSON that no parser of HTML can leave: a script element ends at the first ``</script``, even in a text."""
    for sign in "<>&":
        numbers = numbers.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(numbers)  # noqa: S704 - what HTML could read is gone
