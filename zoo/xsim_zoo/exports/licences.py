"""Licences by the names that other zoos know them by."""

from __future__ import annotations

from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

__all__ = ["hub_licence", "spdx_licence"]

_HUB: Final = frozenset(
    (
        *("afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd", "bsd-2-clause", "bsd-3-clause"),
        *("bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0"),
        *("cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0"),
        *("cc-by-sa-4.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "ecl-2.0"),
        *("epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "gfdl", "gpl", "gpl-2.0", "gpl-3.0"),
        *("isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl"),
        *("odc-by", "ofl-1.1", "openrail", "osl-3.0", "pddl", "postgresql", "unlicense", "wtfpl", "zlib"),
    )
)
"""General licences that the Hub's check of README.md takes (huggingface.co/docs/hub/repositories-licenses)."""


def spdx_licence(text: str) -> str:
    """Return the SPDX name of a licence in its own spelling; empty where it is none, or several.

    Parameters
    ----------
    text : str
        What somebody wrote, e.g. "cc-by-4.0".
    """
    try:
        found = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return ""
    return "" if " " in found or found.startswith("LicenseRef-") else found


def hub_licence(text: str) -> dict[str, str]:
    """Return what the Hub's metadata say of a licence: those that it does not know are "other", with a name.

    Parameters
    ----------
    text : str
        What somebody wrote.
    """
    known = (spdx_licence(text) or text).lower()
    for ending in ("", "-only", "-or-later"):  # the Hub knows the families of the GNU licences alone
        if (name := known.removesuffix(ending)) in _HUB:
            return {"license": name}
    return {"license": "other", "license_name": "-".join(text.lower().split())}
