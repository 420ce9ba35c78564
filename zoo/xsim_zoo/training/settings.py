"""The settings of a training run: what a person writes, checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from xsim.errors import InputError, UnknownNameError, nearest
from xsim.files.documents import read_toml
from xsim.keywords import names_keywords
from xsim_datasets.recipe.tables import refuse_truth
from xsim_zoo.network.sizes import SIZES
from xsim_zoo.training.parts.named import check_part
from xsim_zoo.training.parts.schedules import SCHEDULES, fall_of

__all__ = ["TrainSettings", "checked_settings", "learning_rate", "settings_from"]

# A thousand million steps, images or pixels are a slip of the hand, and a text of 400 digits is a number, too.
_MOST = 10**9
_OWN: Final[dict[str, Collection[str]]] = {
    "loss": ("mse", "charbonnier", "frequency"),
    "optimiser": ("adamw",),
    "schedule": SCHEDULES,
    "augment": ("turns",),
    "callbacks": (),
}
"""xsim's own parts of a training, by the settings that name them."""

Positive = Annotated[int, Field(ge=1, le=_MOST)]


@names_keywords
class TrainSettings(BaseModel):
    """How to train; every field is a key of ``--set KEY=VALUE`` and of a TOML recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_as_number(cls, content: Any) -> Any:
        return refuse_truth(cls, content)

    backbone: str = "unet"
    """Network: unet, or MODULE:FACTORY of another package (`xsim_zoo.network.backbone`)."""
    # Gains .6 dB over tiny after 600 steps, for twice the time (docs/experiments.md); the larger ones want a GPU.
    size: str = "small"
    """Size of the network: tiny, small, base, large; with another backbone what that takes."""
    # The shipped weights, of size tiny, took 2000; the larger network is given half as many again, untuned.
    steps: Positive = 3000
    """Steps in all."""
    # 8 x 2 crops of 96 px a step are what the weights of docs/experiments.md were trained with; not tuned.
    batch: Positive = 8
    """Whole images a step and process."""
    crops: Positive = 2
    """Crops of each image; one state is made for all of them."""
    # After 600 steps 64 px are .17 dB worse, 128 px .19 dB better for half as much time again (docs/experiments.md).
    patch: Annotated[int, Field(ge=16, multiple_of=8)] = 96
    """Side of the crops [px]."""
    # The best of 1e-3, 2e-3, 4e-3 for physics-sde after 600 steps; some others want twice that (docs/experiments.md).
    lr: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = 2e-3
    """Highest learning rate; it warms up linearly, then falls by the schedule."""
    loss: str = "mse"
    """What makes an answer good: mse, charbonnier, frequency, or MODULE:CALLABLE of another package; validation stays
    by PSNR."""
    optimiser: str = "adamw"
    """adamw, or MODULE:CALLABLE that takes (parameters, lr=, weight_decay=), such as torch.optim:RAdam."""
    schedule: str = "cosine"
    """How the learning rate falls: cosine, linear, constant, or MODULE:CALLABLE from the share of the training that is
    done to a share of the highest rate."""
    augment: tuple[str, ...] = ("turns",)
    """How pairs are changed at each visit: turns (eight orientations), MODULE:CALLABLE, several by commas, or none."""
    accumulate: Positive = 1
    """Batches whose gradients make one step, where one of them fills the memory."""
    # Until AdamW knows the scale of the gradients. Neither this nor lr_end, weight_decay and clip were tuned.
    warmup: Annotated[int, Field(ge=0, le=_MOST)] = 50
    """Steps to the highest learning rate."""
    lr_end: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Last learning rate as a share of the highest."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4
    """Decay of AdamW."""
    clip: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Largest norm of the gradient."""
    # An average over some 500 steps, a sixth of the default run.
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    """Decay of the average weights; young runs average over a tenth of their life."""
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    """Seed of initial weights, order, crops, times and noise."""
    # Exact everywhere; bf16 is what the shipped weights were trained in, and faster where the hardware has it.
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number type of the network's layers in training."""
    # A dozen points on the curve of the default run.
    validate_every: Positive = 250
    """Steps between validations."""
    validate_images: Positive = 8
    """Largest number of validation images."""
    patience: Positive | None = None
    """Validations without a gain after which training ends; None trains to the last step."""
    # As often as validations: a run that is killed loses minutes.
    save_every: Positive = 250
    """Steps between states to resume from."""
    tensorboard: bool = False
    """Write the log for TensorBoard too."""
    callbacks: tuple[str, ...] = ()
    """Loggers of other packages, MODULE:CALLABLE, several with commas (docs/howto/own-loop.md)."""
    loop: Literal["auto", "host", "device"] = "auto"
    """Where batches are made: on the device, where the pairs then lie, or on the host, which copies each batch there;
    auto takes the host for a CPU."""
    resident_GiB: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    """Memory of the device that pairs may take, which are brought there part by part where they need more; None takes
    half of what is free."""
    log_every: Positive | None = None
    """Steps after which losses are read and written, all of them; None takes every step on a CPU, 50 on a GPU, which
    would wait for each."""
    compile: Literal["no", "yes", "graphs"] = "no"
    """Compile the network by torch.compile before it is trained, graphs with CUDA graphs; a minute or more at first."""
    memory_format: Literal["channels_last", "contiguous"] = "channels_last"
    """How the network holds its features: what is faster depends on the GPU (benchmarks/gpu.py)."""
    # S(f) is a mean over rings, for which 64 images are plenty; weights of many detectors were trained with 256.
    spectrum_images: Positive = 64
    """Largest number of training images that S(f) is measured on."""
    # 300 steps of two images took `physics-sde` past `unet-wiener` (docs/experiments.md).
    rollout: Positive | None = None
    """Sampling steps that the last part of the training takes together, to train what is run; None trains every step by
    itself, and the weights then serve any number."""
    rollout_steps: Positive = 300
    """Training steps of that part; all of a shorter run."""
    rollout_batch: Positive = 2
    """Whole images a step and process in that part: it learns from all of an image, not from crops."""
    rollout_lr: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = 5e-4
    """Highest learning rate of that part."""
    prediction: Literal["x0", "eps", "v"] | None = None
    """What `cdm` predicts; None takes its default."""
    coupling: Literal["pair", "independent"] | None = None
    """Where the noise of `physics-sde-paper`'s states comes from; None takes its default."""
    link: bool | None = None
    """Tell the restorer the grey-level link; without it the network has to find HR grey by itself. None takes the
    restorer's default."""
    link_conditioning: Annotated[
        bool | None, Field(validation_alias=AliasChoices("link_conditioning", "tells_link"))  # its name before 0.2
    ] = None
    """Tell the network the grey-level link; None does where the data hold several pairs of detectors, and goes on with
    a network as it is."""
    detector_conditioning: bool | None = None
    """Tell the network where B_1 falls and the colour of the noise; None as with the link."""

    @field_validator("size")
    @classmethod
    def _size_is_known(cls, size: str, info: ValidationInfo) -> str:
        if info.data.get("backbone") == "unet" and size not in SIZES:
            raise ValueError(str(UnknownNameError("network size", size, SIZES)))
        return size

    @field_validator("augment", "callbacks", mode="before")
    @classmethod
    def _commas_part(cls, names: Any) -> Any:
        if isinstance(names, str):
            names = [name.strip() for name in names.split(",") if name.strip()]
        return [] if names in (["none"], ("none",)) else names

    @field_validator("loss", "optimiser", "schedule", "augment", "callbacks")
    @classmethod
    def _part_is_known(cls, names: str | tuple[str, ...], info: ValidationInfo) -> str | tuple[str, ...]:
        what = str(info.field_name)
        for name in (names,) if isinstance(names, str) else names:
            check_part(what, name, _OWN[what])
        return names

    def said_only(self, keys: set[str]) -> Self:
        """Return these settings with only some keys counted as set by somebody (`model_fields_set`)."""
        other = self.model_copy()
        object.__setattr__(other, "__pydantic_fields_set__", set(keys))
        return other

    @property
    def first_rollout(self) -> int:
        """First training step that takes sampling steps together; the number of all steps if none does."""
        return self.steps if self.rollout is None else max(self.steps - self.rollout_steps, 0)


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Return the learning rate of a step: linear warm-up, then by the schedule down to ``lr_end`` of the highest.

    The part of the training that takes sampling steps together rises and falls by itself.
    """
    first = settings.first_rollout
    highest, done, steps = settings.lr, step, first
    if settings.rollout is not None and step >= first:
        highest, done, steps = settings.rollout_lr, step - first, settings.steps - first
    rise = min(1.0, (done + 1) / (settings.warmup + 1))
    fall = fall_of(settings.schedule)(min(done / steps, 1.0))
    return highest * rise * (settings.lr_end + (1 - settings.lr_end) * fall)


def settings_from(
    recipe: Path | None = None, assignments: Sequence[str] = (), *, defaults: TrainSettings | None = None
) -> TrainSettings:
    """Return settings from a TOML file and ``KEY=VALUE`` texts, the texts winning, over defaults.

    Raises
    ------
    InputError
        Naming the key that is unknown or the value that is out of range.
    MissingFileError
        If the file does not exist.
    """
    values: dict[str, Any] = {} if recipe is None else _read(recipe)
    for text in assignments:
        key, found, value = text.partition("=")
        if not found:
            raise InputError(f"--set {text}: is not KEY=VALUE: write for example --set steps=3000")
        values[key.strip()] = value.strip()
    try:
        said = TrainSettings(**values)
        if defaults is None:
            return said
        # A run that goes on takes more steps only where somebody has said so: defaults do not count as said.
        whole = TrainSettings(**(defaults.model_dump() | {key: getattr(said, key) for key in said.model_fields_set}))
        return whole.said_only(said.model_fields_set)
    except ValidationError as error:
        raise InputError(_explain(error)) from None


def checked_settings(values: Mapping[str, Any]) -> TrainSettings:
    """Return the settings of keys and values.

    Raises
    ------
    InputError
        Naming the key that is unknown or the value that is out of range.
    """
    try:
        return TrainSettings.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(_explain(error)) from None


def _read(recipe: Path) -> dict[str, Any]:
    return read_toml(recipe)


def _explain(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        close = nearest(key, TrainSettings.model_fields)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(TrainSettings.model_fields)}"
        return f"unknown training setting '{key}': {hint}"
    given = str(problem["input"])
    shown = given if len(given) <= 60 else f"{given[:60]}..."
    return f"training setting {key}={shown}: {problem['msg'].removeprefix('Value error, ')}"
