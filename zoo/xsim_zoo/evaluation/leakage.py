"""No restorer is judged on boards that it learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim.errors import InputError
from xsim_zoo.weights.families import seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_datasets.store.reader import PairStore
    from xsim_zoo.evaluation.entrants import Ready

__all__ = ["UNKNOWN", "check_leak"]

UNKNOWN = "not ruled out: the card names no families of its training data"


def check_leak(ready: Ready, store: PairStore, split: str, samples: Sequence[int]) -> str:
    """Return how it is known that weights have not seen the judged boards, or that it is not known.

    Parameters
    ----------
    ready : Ready
        Restorer and card.
    store : PairStore
        The data to judge on.
    split : str
        Which split of it.
    samples : sequence of int
        The judged samples.

    Raises
    ------
    InputError
        If a judged board was in the training data, naming the sample.
    """
    label, data = ready.entrant.label, ready.card.data
    if not ready.restorer.learned:
        return "nothing is learnt from boards but their mean spectrum"
    if data.get("digest") == store.manifest.digest:
        if split != "test":
            raise InputError(
                f"'{label}' was trained on this very store, whose split '{split}' it has seen: judge it on 'test', "
                "or on other data"
            )
        return "held-out split of its own training data"
    if "families" not in data:
        return UNKNOWN
    families = {int(store.table["family"][sample]): sample for sample in reversed(samples)}
    leaked = seen(data["families"], families)
    if leaked:
        sample = min(families[family] for family in leaked)
        raise InputError(
            f"'{label}' has learnt from {len(leaked)} of the {len(families)} board families of split '{split}', "
            f"the first is sample {sample}: judge it on boards that it has not seen"
        )
    return "no family in common with its training data"
