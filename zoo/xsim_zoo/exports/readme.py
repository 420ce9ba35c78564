"""What a card says, as the page that comes with weights elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xsim_zoo.restorers.registry import get
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.loading import limits_of

__all__ = ["about", "page"]


def about(card: Card) -> str:
    """Return one sentence on the restorer of a card."""
    return (get(card.restorer).__doc__ or card.restorer).strip().splitlines()[0]


def page(card: Card, use: str) -> str:
    """Return a page in Markdown: what it is, how to use it, how good it is, what it is not proven for.

    Parameters
    ----------
    card : Card
        The card of the weights.
    use : str
        How to use what the page comes with, Markdown.
    """
    limits = "\n".join(f"- {limit}" for limit in limits_of(card))
    said = {"licence": card.license, "citation": card.citation, "sha256 of the weights": card.digest}
    terms = "\n".join(f"- {name}: {value or 'not said by the maker of these weights'}" for name, value in said.items())
    return f"""# {card.restorer}

{about(card)}

It sharpens X-ray radiographs of a thick phosphor screen to what a thin one would have shown, knowing blur and noise of
both. Images are linear, one channel, open field 1.0, metal dark.

## Use

{use}

## Training

{_trained(card)}

## Validation

{_scores(card.scores)}

## Limits

A restorer can add structure that is not there: look at the residual against the input, and never replace the input.

{limits}

## Terms

{terms}
"""


def _trained(card: Card) -> str:
    data, training = card.data, card.training
    steps, pairs = training.get("steps"), data.get("pairs")
    if not card.digest:
        return "It learns nothing: all that it knows are the tables of the detectors."
    pitch_mm = card.physics["degradation"]["pitch_mm"]
    return (
        f"{steps} steps on {pairs} pairs of {data.get('name') or 'some data'} ({pitch_mm:g} mm pixels), "
        f"{card.parameters} parameters, by xsim {card.version}."
    )


def _scores(scores: Mapping[str, Any]) -> str:
    rows = [
        f"| {what} | {scores[key]['psnr_dB']:.2f} | {scores[key]['ssim']:.4f} |"
        for key, what in (("lr", "the input as it is"), ("validation", "restored"))
        if key in scores
    ]
    if not rows:
        return "No scores are on its card."
    table = "\n".join(["| image | PSNR [dB], data range 1 | SSIM |", "|---|---|---|", *rows])
    return f"Means over {scores.get('images', 'the')} validation images of the same data as training.\n\n{table}"
