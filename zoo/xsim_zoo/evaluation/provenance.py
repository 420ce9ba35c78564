"""Where an evaluation's numbers come from."""

from __future__ import annotations

import hashlib
import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from xsim._version import __version__
from xsim.measure.similarity import DATA_RANGE
from xsim_zoo.evaluation.judging import BORDER_PX
from xsim_zoo.evaluation.records import Contender, DataSource, Provenance

if TYPE_CHECKING:
    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.entrants import Ready
    from xsim_zoo.evaluation.preparing import Prepared

__all__ = ["identity_of", "provenance_of"]

_PACKAGES = ("torch", "numpy", "scipy", "zarr", "safetensors")


def identity_of(bench: Bench) -> str:
    """Return a digest of all that every finding depends on, besides the restorer that it is about."""
    options = bench.options.to_dict()
    # These say nothing about a finding: one which findings there are, one what is made of them.
    decided = {key: value for key, value in options.items() if key not in {"sections", "resamples"}}
    setup = None if bench.setup is None else bench.setup.to_dict()
    parts = [bench.store.manifest.digest, decided, bench.clean, setup, bench.device, __version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def provenance_of(prepared: Prepared, seconds: float) -> Provenance:
    """Return data, contenders, settings and versions."""
    bench = prepared.bench
    return Provenance(
        data=_data(prepared),
        contenders=tuple(_contender(bench.ready(item.label), prepared) for item in bench.entrants),
        settings={**bench.options.to_dict(), **prepared.notes},
        versions={
            "xsim": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        device=bench.device,
        data_range=DATA_RANGE,
        border_px=BORDER_PX,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )


def _data(prepared: Prepared) -> DataSource:
    bench = prepared.bench
    store, options = bench.store, bench.options
    summary = store.summary()
    return DataSource(
        path=store.path,
        digest=store.manifest.digest,
        origin=store.origin,
        recipe=str(summary["recipe"]),
        recipe_hash=str(summary["recipe_hash"]),
        seed=int(summary["seed"]) if store.origin == "simulated" else None,
        split=options.split,
        images=len(bench.samples),
        families=len({int(store.table["family"][sample]) for sample in bench.samples}),
        shape=store.shape,
        pitch_mm=store.pitch_mm,
    )


def _contender(ready: Ready, prepared: Prepared) -> Contender:
    card, entrant = ready.card, ready.entrant
    own = card.restorer == entrant.restorer
    return Contender(
        label=entrant.label,
        restorer=entrant.restorer,
        weights=ready.path.name if own else f"physics of {ready.path.stem}",
        digest=card.digest or hashlib.sha256(json.dumps(card.physics, sort_keys=True).encode()).hexdigest(),
        parameters=card.parameters if ready.restorer.learned else 0,
        steps=ready.steps,
        eta=entrant.eta,
        sharpness=entrant.sharpness,
        linked=ready.restorer.uses_link and ready.restorer.physics.linked,
        learned=ready.restorer.learned,
        trained_on=str(card.data.get("name", "")),
        trained_pairs=card.data.get("pairs"),
        trained_steps=card.training.get("steps"),
        leak=prepared.leaks[entrant.label],
    )
