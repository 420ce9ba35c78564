"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files as resources
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from xsim_zoo.evaluation.report.naming import Naming
from xsim_zoo.evaluation.report.sections import sections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["html"]


@dataclass(frozen=True)
class _Inline:
    """A style sheet or script of ours, and the hash by which the page's security policy admits it and no other."""

    text: Markup
    hash: str

    @classmethod
    def of(cls, name: str) -> _Inline:
        text = resources("xsim_zoo.evaluation.report").joinpath("static", name).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return cls(Markup(text), f"sha256-{digest}")  # noqa: S704 - shipped with the package


def html(evaluation: Evaluation, numbers: str, names: Sequence[str]) -> str:
    """Return the report of an evaluation as an HTML document.

    Everything that is shown passes Jinja's escaping; nothing is loaded from elsewhere, which a content security
    policy in the page enforces besides.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    numbers : str
        Its JSON document, embedded in the page.
    names : sequence of str
        The files beside the page.
    """
    environment = Environment(
        loader=PackageLoader("xsim_zoo.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    naming = Naming.of(evaluation)
    restorers = ", ".join(naming.labels)
    source = evaluation.provenance
    return environment.get_template("report.html").render(
        title=f"Evaluation of {restorers}",
        subtitle=f"on {source.data.path} ({source.data.split}), {source.created}",
        sections=sections(evaluation, naming, names),
        style=_Inline.of("report.css"),
        script=_Inline.of("report.js"),
        numbers=_embedded(numbers),
    )


def _embedded(numbers: str) -> Markup:
    """Return JSON that no parser of HTML can leave: a script element ends at the first ``</script``, even in a text."""
    for sign in "<>&":
        numbers = numbers.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(numbers)  # noqa: S704 - what HTML could read is gone
