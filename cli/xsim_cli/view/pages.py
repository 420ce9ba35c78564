"""The pages of `xsim view`: the form with the work that goes on, and the table of the folder's reports."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from xsim_cli.view.options import RAW, SUFFIXES, choices
from xsim_cli.view.session import Session
from xsim_cli.view.shelf import shelf_of
from xsim_zoo.pages.page import embedded, environment, inline, policy

__all__ = ["home", "home_policy", "table"]

_PACKAGE: Final = "xsim_cli.view"


@cache
def _styles() -> tuple[dict[str, Any], ...]:
    return inline("base.css"), inline("report.css", "xsim_zoo.run.report"), inline("view.css", _PACKAGE)


@cache
def _scripts() -> tuple[dict[str, Any], ...]:
    return inline("table.js"), inline("view.js", _PACKAGE)


def home_policy() -> str:
    """Return the content security policy of the page with the form: it asks this server and shows its reports."""
    return policy(_styles(), _scripts(), "connect-src 'self'", "frame-src 'self'", "frame-ancestors 'none'")


def home(session: Session, token: str, largest_bytes: int) -> str:
    """Return the page with the form.

    Parameters
    ----------
    session : Session
        What it is about.
    token : str
        What its requests must carry.
    largest_bytes : int
        Largest file that is taken.
    """
    told = {"token": token, "largest_bytes": largest_bytes, "raw": RAW}
    return environment(_PACKAGE, "xsim_zoo.run.report").get_template("home.html").render(
        folder=str(session.folder),
        shelf=shelf_of(session.folder),
        suffixes=",".join(SUFFIXES),
        styles=_styles(),
        scripts=_scripts(),
        told=embedded(json.dumps(told)),
        **choices(),
    )  # fmt: skip


def table(session: Session) -> str:
    """Return the table of the folder's reports alone."""
    templates = environment(_PACKAGE, "xsim_zoo.run.report")
    return templates.get_template("shelf.html").render(shelf=shelf_of(session.folder))
