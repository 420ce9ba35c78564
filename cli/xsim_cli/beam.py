"""The options by which commands name an X-ray beam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xsim.errors import InputError

if TYPE_CHECKING:
    from xsim.spectrum import Spectrum

__all__ = ["AngleOption", "FilterOption", "KvpOption", "ModelOption", "PresetOption", "beam"]

KvpOption = Annotated[float | None, typer.Option("--kvp", help="Tube voltage [kV], 30 to 150.  [default: 70]")]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="MATERIAL:MM",
        help="A filter, e.g. Cu:0.1 or FR-4:1.6; repeat for more; 'none' for the bare tube.  [default: Al:2.5]",
    ),
]
AngleOption = Annotated[float, typer.Option("--anode-angle-deg", help="Anode angle [degrees], 5 to 45.")]
ModelOption = Annotated[str, typer.Option("--model", help="SpekPy's physics model: kqp, casim, spekpy-v1, ...")]
PresetOption = Annotated[
    str | None, typer.Option("--preset", help="A beam by name: RQA3, RQA5, RQA7, RQA9 (IEC 61267) or paper.")
]


def beam(
    kvp: float | None, filters: list[str] | None, anode_angle_deg: float, model: str, preset: str | None
) -> Spectrum:
    """Return the beam that the options name.

    Raises
    ------
    InputError
        If a preset stands beside a voltage or filters, or a filter is not MATERIAL:MM.
    """
    from xsim.spectrum import parse_filter, preset_spectrum, tungsten_spectrum

    if preset is not None:
        if kvp is not None or filters:
            raise InputError("--preset sets voltage and filters: leave out --kvp and --filter")
        return preset_spectrum(preset, anode_angle_deg, model)
    words = ["Al:2.5"] if filters is None else [word for word in filters if word != "none"]
    return tungsten_spectrum(
        70.0 if kvp is None else kvp, tuple(parse_filter(word) for word in words), anode_angle_deg, model
    )
