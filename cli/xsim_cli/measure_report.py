"""How the measuring commands speak: one JSON document, or lines with warnings on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from xsim_cli.common import emit_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim.measure.edge import EdgeMTF

__all__ = ["edge_document", "report", "some"]


def edge_document(mean: EdgeMTF) -> dict[str, Any]:
    """Return the JSON document of an edge MTF."""
    return {
        "frequency_lp_mm": mean.frequency_lp_mm,
        "mtf": mean.mtf,
        "angle_deg": mean.angle_deg,
        "noise_floor": mean.noise_floor,
        "noise": mean.noise,
        "pitch_mm": mean.pitch_mm,
        "f50_lp_mm": mean.frequency_at(0.5),
        "f20_lp_mm": mean.frequency_at(0.2),
        "f10_lp_mm": mean.frequency_at(0.1),
        "overshoot": mean.overshoot,
        "undershoot": mean.undershoot,
        "edges": [
            {
                "roi": edge.roi,
                "angle_deg": edge.line.angle_deg,
                "along": "y" if edge.line.transposed else "x",
                "step": edge.step,
                "contrast": edge.contrast,
                "pixel_noise": edge.pixel_noise,
                "window_mm": [edge.distance_px[0] * mean.pitch_mm, edge.distance_px[-1] * mean.pitch_mm],
            }
            for edge in mean.edges
        ],
        "warnings": mean.warnings,
    }


def some(rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """Return about twelve rows of a long table."""
    return rows[:: max(1, len(rows) // 12)]


def report(command: str, payload: dict[str, Any], json_: bool, lines: Sequence[str]) -> None:
    """Print a result as JSON, or as lines with its warnings on stderr."""
    if json_:
        emit_json(command, payload)
        return
    for line in lines:
        typer.echo(line)
    for text in payload["warnings"]:
        say(f"warning: {text}")
