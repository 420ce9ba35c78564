"""HR/LR pairs in zarr: recipes, making and reading stores, checking them, real images.

``import xsim_datasets`` is light: what a name needs is imported when the name is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # What type checkers see; `_HOMES` is the same for those who run it.
    from xsim_datasets.images import Radiograph as Radiograph
    from xsim_datasets.images import read_image as read_image
    from xsim_datasets.images import write_image as write_image
    from xsim_datasets.pair_folder import export_pairs as export_pairs
    from xsim_datasets.pair_folder import write_pair as write_pair
    from xsim_datasets.pictures import draw_comparison as draw_comparison
    from xsim_datasets.pictures import draw_preview as draw_preview
    from xsim_datasets.real.correction import FlatField as FlatField
    from xsim_datasets.real.importing import find_positions as find_positions
    from xsim_datasets.real.importing import prepare_import as prepare_import
    from xsim_datasets.real.registration import register as register
    from xsim_datasets.recipe.imaging import setup_of as setup_of
    from xsim_datasets.recipe.recipe import Recipe as Recipe
    from xsim_datasets.recipe.recipe import load_recipe as load_recipe
    from xsim_datasets.recipe.recipe import recipe_names as recipe_names
    from xsim_datasets.recipe.simulated import SimulatedMaker as SimulatedMaker
    from xsim_datasets.recipe.simulated import plan_of as plan_of
    from xsim_datasets.store.executors import DaskCluster as DaskCluster
    from xsim_datasets.store.executors import ProcessPool as ProcessPool
    from xsim_datasets.store.executors import Serial as Serial
    from xsim_datasets.store.reader import PairStore as PairStore
    from xsim_datasets.store.shards import Label as Label
    from xsim_datasets.store.shards import Plan as Plan
    from xsim_datasets.store.shards import Sample as Sample
    from xsim_datasets.store.verify import verify_store as verify_store
    from xsim_datasets.store.writer import make_store as make_store

# public name -> module that holds it
_HOMES = {
    "DaskCluster": "xsim_datasets.store.executors",
    "FlatField": "xsim_datasets.real.correction",
    "Label": "xsim_datasets.store.shards",
    "PairStore": "xsim_datasets.store.reader",
    "Plan": "xsim_datasets.store.shards",
    "ProcessPool": "xsim_datasets.store.executors",
    "Radiograph": "xsim_datasets.images",
    "Recipe": "xsim_datasets.recipe.recipe",
    "Sample": "xsim_datasets.store.shards",
    "Serial": "xsim_datasets.store.executors",
    "SimulatedMaker": "xsim_datasets.recipe.simulated",
    "draw_comparison": "xsim_datasets.pictures",
    "draw_preview": "xsim_datasets.pictures",
    "export_pairs": "xsim_datasets.pair_folder",
    "find_positions": "xsim_datasets.real.importing",
    "load_recipe": "xsim_datasets.recipe.recipe",
    "make_store": "xsim_datasets.store.writer",
    "plan_of": "xsim_datasets.recipe.simulated",
    "prepare_import": "xsim_datasets.real.importing",
    "read_image": "xsim_datasets.images",
    "recipe_names": "xsim_datasets.recipe.recipe",
    "register": "xsim_datasets.real.registration",
    "setup_of": "xsim_datasets.recipe.imaging",
    "verify_store": "xsim_datasets.store.verify",
    "write_image": "xsim_datasets.images",
    "write_pair": "xsim_datasets.pair_folder",
}

__all__ = list(_HOMES)

if not TYPE_CHECKING:

    def __getattr__(name):
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'xsim_datasets' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
