"""A zoo of X-ray image restorers: training, inference, evaluation, weights.

``import xsim_zoo`` is light and changes nothing: torch is imported when a name is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # What type checkers see; `_HOMES` is the same for those who run it, and a test compares them.
    from xsim_zoo.evaluation.engine import evaluate as evaluate
    from xsim_zoo.network.backbone import backbone as backbone
    from xsim_zoo.process.physics import Physics as Physics
    from xsim_zoo.restorers.base import Restorer as Restorer
    from xsim_zoo.restorers.learned import LearnedRestorer as LearnedRestorer
    from xsim_zoo.restorers.registry import get as get
    from xsim_zoo.restorers.registry import names as names
    from xsim_zoo.restorers.registry import register as register
    from xsim_zoo.run.restore import Restored as Restored
    from xsim_zoo.run.restore import restore as restore
    from xsim_zoo.run.settings import RunSettings as RunSettings
    from xsim_zoo.training.data import StoreDataset as StoreDataset
    from xsim_zoo.training.finetune import finetune as finetune
    from xsim_zoo.training.parts.named import training_part as training_part
    from xsim_zoo.training.settings import TrainSettings as TrainSettings
    from xsim_zoo.training.train import train as train
    from xsim_zoo.weights.loading import build as build
    from xsim_zoo.weights.loading import load as load
    from xsim_zoo.weights.loading import with_detectors as with_detectors

# public name -> module that holds it
_HOMES = {
    "LearnedRestorer": "xsim_zoo.restorers.learned",
    "Physics": "xsim_zoo.process.physics",
    "Restored": "xsim_zoo.run.restore",
    "Restorer": "xsim_zoo.restorers.base",
    "RunSettings": "xsim_zoo.run.settings",
    "StoreDataset": "xsim_zoo.training.data",
    "TrainSettings": "xsim_zoo.training.settings",
    "backbone": "xsim_zoo.network.backbone",
    "build": "xsim_zoo.weights.loading",
    "evaluate": "xsim_zoo.evaluation.engine",
    "finetune": "xsim_zoo.training.finetune",
    "get": "xsim_zoo.restorers.registry",
    "load": "xsim_zoo.weights.loading",
    "names": "xsim_zoo.restorers.registry",
    "register": "xsim_zoo.restorers.registry",
    "restore": "xsim_zoo.run.restore",
    "train": "xsim_zoo.training.train",
    "training_part": "xsim_zoo.training.parts.named",
    "with_detectors": "xsim_zoo.weights.loading",
}

__all__ = list(_HOMES)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'xsim_zoo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
