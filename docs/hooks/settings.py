"""Write the reference of recipes and training settings from the pydantic models that read them."""

from __future__ import annotations

import inspect
from typing import Any

from xsim_datasets.recipe import imaging, recipe
from xsim_datasets.recipe.recipe import Recipe, recipe_names
from xsim_zoo.training.settings import TrainSettings

_RECIPES = """# Recipes and settings

This page is written from the models that read these files when the site is built. Unknown keys are errors; the message
names the nearest key. Units stand in the names.

## Recipes of data sets

What `xsim dataset make` takes and `xsim simulate --recipe` images with: a shipped name ({names}) or a TOML file. The
JSON schema, for editors that check TOML as it is written, comes from `xsim dataset schema`. Where a *number or range*
is allowed, a range is `{{ low = 50.0, high = 120.0 }}`, with `log = true` for one uniform in the logarithm or
`step = 5.0` for steps from the low end, and a *word or choice* may be `{{ choice = ["Gd2O2S", "CsI"] }}`; then
`imaging.setups` says how many set-ups are drawn. Relative paths are taken
from the folder of the recipe's file. `--set KEY=VALUE` of both commands changes one key below `imaging`, joined by
dots: `--set sensor.read_noise_e=800`, `--set hr.screen.phosphor=CsI`, `--set "kerma_uGy={{low = 10, high = 40}}"`.
"""
_TRAINING = """
## Training settings

Each is a key of `--set KEY=VALUE` and of the TOML file of `--recipe` for `xsim zoo train` and `xsim zoo finetune`.
"""
_CONSTANT = "Says which kind of table it is."
_PLACES = {
    "Recipe": "The file",
    "Imaging": "`[imaging]`",
    "Filter": "Items of `imaging.filters`",
    "SensorTable": "`[imaging.sensor]`",
    "ScreenTable": "`[imaging.screen]`",
    "OpticsTable": "`[imaging.screen.optics]`",
    "Side": "`[imaging.hr]` and `[imaging.lr]`",
    "GeometryTable": "`[imaging.geometry]`",
    "ScatterTable": "`[imaging.scatter]`",
    "AcquisitionTable": "`[imaging.acquisition]`",
    "FreeShape": "`[imaging.free]`",
    "RandomBoards": '`[[boards]]` with `kind = "random"`',
    "GerberBoards": '`[[boards]]` with `kind = "gerber"`',
    "PhantomBoards": '`[[boards]]` with `kind = "phantoms"`',
    "ObjectBoards": '`[[boards]]` with `kind = "casting"`, `"weld"`, `"machined"`, `"wedge"` or `"texture"`',
    "PluginBoards": '`[[boards]]` with `kind = "plugin"`',
    "MeshBoards": '`[[boards]]` with `kind = "mesh"`',
    "Split": "`[split]`",
    "Storage": "`[storage]`",
}


def settings_page() -> str:
    """Return the page in Markdown."""
    schema = Recipe.model_json_schema()
    models = {"Recipe": schema, **schema["$defs"]}
    parts = [_RECIPES.format(names=", ".join(f"`{name}`" for name in recipe_names()))]
    for name, place in _PLACES.items():
        about = (
            inspect.getdoc(getattr(recipe, name, None) or getattr(imaging, name)).split("\n\n")[0].replace("``", "`")
        )
        parts.append(f"\n### {place}\n\n{about}\n\n{_table(models[name])}")
    return "\n".join([*parts, _TRAINING, _table(TrainSettings.model_json_schema())])


def _table(schema: dict[str, Any]) -> str:
    """Return a table of a model's keys."""
    required = schema.get("required", ())
    head = ["| key | what | kind | default |", "|---|---|---|---|"]
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field.get("default"))
        about = field.get("description") or _CONSTANT
        rows.append(f"| `{name}` | {about} | {_kind(field)} | {default} |")
    return "\n".join(head + rows) + "\n"


def _kind(field: dict[str, Any]) -> str:
    """Return what a value may be, with its limits."""
    options = field.get("oneOf") or field.get("anyOf") or [field]
    if "prefixItems" in field:
        return f"a list of {len(field['prefixItems'])} numbers or ranges"
    if field.get("items", {}).get("type") == "string":
        return "a list of names"
    if "discriminator" in field or "items" in field:
        return "a list of tables, see below"
    kinds = [_one(option) for option in options if option.get("type") != "null"]
    return " or ".join(kind for kind in kinds if kind)


def _one(option: dict[str, Any]) -> str:
    if "oneOf" in option:
        return " or ".join(_one(each) for each in option["oneOf"])
    if "$ref" in option:
        return {"Range": "range", "WholeRange": "range of whole numbers", "Choice": "choice"}.get(
            option["$ref"].rsplit("/", 1)[-1], "a table, see below"
        )
    if "enum" in option:
        return "one of " + ", ".join(f"`{value}`" for value in option["enum"])
    if "const" in option:
        return f"`{option['const']}`"
    kind = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false"}
    if option.get("type") in ("object", "array"):
        return {"object": "a table of names and weights", "array": "a list of names"}[option["type"]]
    limits = [
        f"{word} {option[key]:g}"
        for key, word in (
            ("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("exclusiveMaximum", "below"),
            ("multipleOf", "a multiple of"),
        )
        if key in option
    ]  # fmt: skip
    text = kind.get(option.get("type", ""), "")
    return " ".join([text, *limits])


def _default(value: Any) -> str:
    return "" if value in (None, "") or isinstance(value, (dict, list)) else f"`{value}`"
