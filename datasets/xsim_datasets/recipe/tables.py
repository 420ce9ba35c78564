"""What recipes are written with: numbers that may be ranges, and tables made from the parameters of the physics.

The keys of ``[imaging.sensor]`` and its like, their defaults and what the reference says about them come from the
dataclass that the table becomes: a parameter that is added to the physics is a key of every recipe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from inspect import getdoc
from typing import Annotated, Any, Self, get_args, get_type_hints

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    create_model,
    model_validator,
)

__all__ = [
    "Choice",
    "Frames",
    "Number",
    "Range",
    "Strict",
    "Table",
    "Whole",
    "WholeRange",
    "drawn",
    "parameter",
    "refuse_truth",
    "table_of",
]


def refuse_truth(model: type[BaseModel], content: Any) -> Any:
    """Return what a model is made from; true and false for a number would mean a length, a dose, a count.

    Raises
    ------
    ValueError
        If a field is a truth value, or holds one, and takes none.
    """
    for name, value in content.items() if isinstance(content, dict) else ():
        given = value if isinstance(value, (list, tuple)) else (value,)
        field = model.model_fields.get(name)
        if field and any(isinstance(item, bool) for item in given) and not _takes_truth(field.annotation):
            raise ValueError(f"{name}: is a truth value, where a number or a word is wanted")
    return content


def _takes_truth(annotation: Any) -> bool:
    return annotation is bool or annotation is Any or any(_takes_truth(part) for part in get_args(annotation))


class Strict(BaseModel):
    """A part of a recipe: unknown keys, NaN and infinities are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_as_number(cls, content: Any) -> Any:
        return refuse_truth(cls, content)


class Range(Strict):
    """Numbers from ``low`` to ``high``: uniform in the value, in its logarithm (``log``), or in steps from ``low``."""

    low: float
    high: float
    log: bool = False
    step: Annotated[float, Field(gt=0.0)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, not {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a log range has no steps: give log or step")
        return self

    def draw(self, rng: np.random.Generator) -> float:
        """Return one number of the range."""
        if self.step is not None:
            # A hair more than the quotient, so that 0.3 is a whole number of steps of 0.1.
            steps = int((self.high - self.low) / self.step * (1 + 1e-9))
            return min(self.low + self.step * int(rng.integers(steps + 1)), self.high)
        if self.log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))


# What 64 bits hold: TOML says so of its numbers, and a text of a thousand digits is taken for a number as well.
_Whole64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class WholeRange(Range):
    """Whole numbers from ``low`` to ``high``, both included; all, those in steps, or as if log-uniform and rounded."""

    low: _Whole64
    high: _Whole64
    step: Annotated[_Whole64, Field(gt=0)] | None = None

    def draw(self, rng: np.random.Generator) -> int:
        """Return one number of the range."""
        if self.log:
            return round(super().draw(rng))
        step = self.step or 1
        return self.low + step * int(rng.integers((self.high - self.low) // step + 1))


class Choice(Strict):
    """One of several words, each as likely as another; naming one twice makes it twice as likely."""

    choice: Annotated[tuple[str, ...], Field(min_length=1)]

    def draw(self, rng: np.random.Generator) -> str:
        """Return one of them."""
        return self.choice[int(rng.integers(len(self.choice)))]

    @property
    def low(self) -> str:
        """Return the first: what stands at one end, as a range's low does."""
        return self.choice[0]

    @property
    def high(self) -> str:
        """Return the last."""
        return self.choice[-1]


def _word_kind(value: object) -> str:
    return "choice" if isinstance(value, (dict, Choice)) else "word"


Word = Annotated[Annotated[str, Tag("word")] | Annotated[Choice, Tag("choice")], Discriminator(_word_kind)]


def _number_kind(value: object) -> str:
    return "range" if isinstance(value, (dict, Range)) else "number"


# The tag names the one alternative that was meant, so that an error speaks about that one only.
Number = Annotated[Annotated[float, Tag("number")] | Annotated[Range, Tag("range")], Discriminator(_number_kind)]
Whole = Annotated[Annotated[int, Tag("number")] | Annotated[WholeRange, Tag("range")], Discriminator(_number_kind)]
Frames = Annotated[
    Annotated[int, Field(ge=1), Tag("number")] | Annotated[WholeRange, Tag("range")], Discriminator(_number_kind)
]
# What a recipe takes where the physics takes a number or a word; everything else is taken as it is.
_RANGED: dict[Any, Any] = {float: Number, float | None: Number, int: Whole, str: Word}


class Table(Strict):
    """A table whose keys are parameters of the physics; one that is not given is as the physics has it."""

    def given(self) -> dict[str, Any]:
        """Return what the recipe says, by key, without what it leaves as it is."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


def table_of(
    physics: type[Any],
    module: str,
    *,
    leave: Mapping[str, str] | None = None,
    tables: Mapping[str, type[Table]] | None = None,
    notes: Mapping[str, str] | None = None,
) -> type[Table]:
    """Return the table whose keys are the parameters of a dataclass.

    Parameters
    ----------
    physics : type
        A dataclass with a numpydoc docstring, each parameter a number, a text or a truth value.
    module : str
        The module where the table stands under the name of the dataclass and ``Table``; pickle looks for it there.
    leave : mapping, optional
        Parameters that are no keys of the table, and the key of a recipe that says the same.
    tables : mapping, optional
        Parameters that are dataclasses themselves, and their tables.
    notes : mapping, optional
        What is said about a parameter beside its description.
    """
    leave, tables, notes = leave or {}, tables or {}, notes or {}
    hints, about = get_type_hints(physics), _descriptions(physics)
    keys: dict[str, Any] = {}
    for item in fields(physics):
        if item.name in tables:
            keys[item.name] = (tables[item.name], Field(default=tables[item.name](), description=about[item.name]))
        elif item.name not in leave:
            kind = _RANGED.get(hints[item.name], hints[item.name])
            text = " ".join(filter(None, (about[item.name], notes.get(item.name))))
            keys[item.name] = (kind, Field(default=item.default, description=text))
    name, summary = f"{physics.__name__}Table", (getdoc(physics) or "").split("\n\n")[0]
    return create_model(name, __base__=Table, __module__=module, __doc__=summary, **keys)


def parameter(physics: type[Any], name: str) -> Any:
    """Return a field of a recipe with the default and the description of a parameter of a dataclass."""
    (found,) = (item for item in fields(physics) if item.name == name)
    default = {} if found.default is MISSING else {"default": found.default}
    return Field(**default, description=_descriptions(physics)[name])


def drawn(value: Any, stage: str, choose: Callable[[Range | Choice, str], Any]) -> Any:
    """Return a value of a recipe with each range and choice in it replaced by what ``choose`` makes of it.

    Parameters
    ----------
    value : number, range, table, tuple or anything else
        What stands in the recipe.
    stage : str
        Its place, keys joined by dots.
    choose : callable
        Returns the number that replaces a range at a place.
    """
    if isinstance(value, Range | Choice):
        return choose(value, stage)
    if isinstance(value, Table):
        return value.model_copy(
            update={name: drawn(item, f"{stage}.{name}", choose) for name, item in value.given().items()}
        )
    if isinstance(value, tuple):
        return tuple(drawn(item, f"{stage}.{index}", choose) for index, item in enumerate(value))
    return value


def _descriptions(physics: type[Any]) -> dict[str, str]:
    """Return what the numpydoc docstring of a dataclass says about each of its parameters."""
    _, _, section = (getdoc(physics) or "").partition("Parameters\n----------\n")
    section = re.split(r"\n\n\w+\n-+\n", section)[0]
    found = dict.fromkeys((item.name for item in fields(physics)), "")
    for names, text in re.findall(r"^(\w[\w, ]*) : .*\n((?:[ ]+.*\n?|\n)*)", section, flags=re.MULTILINE):
        found |= dict.fromkeys(names.split(", "), " ".join(text.replace("``", "`").split()))
    return found
