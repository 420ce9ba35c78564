"""What an evaluation does not show, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xsim_zoo.evaluation.records import Provenance

__all__ = ["limits_of"]

_EDGES = (
    "A nonlinear restorer has no single MTF: edge responses hold for the contrast and dose they were measured at, and "
    "boards full of straight edges make edges a trained object."
)
_CONSISTENCY = (
    "chi2 near or below 1 says that an answer does not contradict the measurement; it does not say that what the "
    "measurement is silent about is right."
)


def limits_of(provenance: Provenance) -> tuple[str, ...]:
    """Return the limits that hold for this evaluation."""
    data = provenance.data
    similarity = (
        f"PSNR and SSIM refer to a data range of {provenance.data_range:g}, the open field. The reference is the HR "
        f"image with its noise; {provenance.border_px} pixels of border are left out, and nothing is clipped."
    )
    lines = [similarity, _EDGES, _CONSISTENCY]
    if data.origin == "simulated":
        lines.append(
            "Data, probes and physics come from one simulator: agreement between them says nothing about a real "
            "detector. Judge on registered real pairs as well."
        )
    if any(contender.trained_steps for contender in provenance.contenders):
        lines.append(
            "Each learned restorer stands for one training run; the spread between training seeds can exceed the "
            "differences shown here."
        )
    lines.append(
        "A restored image is no substitute for the measured one: for acceptance, keep and judge the unprocessed image."
    )
    return tuple(lines)
