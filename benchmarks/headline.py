"""The headline table: physics-sde against every other restorer, on boards that none has seen.

    python benchmarks/headline.py -o OUT                        # everything, about 20 minutes on two cores
    python benchmarks/headline.py -o OUT --quick                # a few images of each set
    python benchmarks/headline.py -o OUT --weights unet=runs/unet --weights "unet, no link=runs/unet-plain"
    python benchmarks/headline.py -o OUT --specialised FOLDER   # beside models of `zoo/train_weights.py specialised`

Test sets are made from seeds and kept in the cache folder; each is given to `xsim_zoo.evaluate`. Weights are those that
are shipped; ``--weights NAME=PATH`` replaces them, or adds a row where NAME is no restorer. Restorers without weights
are named as absent. LimeSDR windows need the board's Gerber folder (``--gerber``).

Written into OUT: ``headline.md``, ``headline.csv`` (one line for each row and image), ``headline.json`` (every
evaluation, claims and samples) and ``headline.png``. PSNR and SSIM are against HR with data range 1.0 (the open field)
and without 16 pixels at the border; intervals are 95 %, by bootstrap over boards.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shlex
import sys
import time
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from headline_claims import claims
from headline_figures import CHAMPION, CHI2_BANDS, LR, NOMINAL, SPECIALISED, TOLD, Samples
from headline_sets import LINKED_LR, SEED, SETS, TestSet, add_image_options, image_folder
from headline_tables import NOTE, tables
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pydantic import BaseModel

import xsim
import xsim_zoo
from xsim.errors import InputError, MissingFileError, XsimError
from xsim.measure.similarity import psnr_dB
from xsim.seeds import torch_seed
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_zoo.check.consistency import check
from xsim_zoo.evaluation import Competitor, Options, evaluate
from xsim_zoo.evaluation.probes.coverage import sample_statistics
from xsim_zoo.evaluation.scores import inner
from xsim_zoo.evaluation.statistics import Bootstrap
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.weights.card import shipped
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from xsim_zoo.evaluation import Evaluation

SCHEMA: Final = "xsim.headline/2"

# From the simplest to the one that this table is about.
_ORDER: Final = (
    "wiener",
    "richardson-lucy",
    "tv",
    "unet",
    "unet-log",
    "unet-wiener",
    "cdm",
    "physics-sde-paper",
    "physics-sde",
)
_BRIDGE: Final = "physics-sde"
_STEPS, _KNOB = (1, 3, 5), 0.5
_IN_LR_GREY: Final = ("wiener", "unet", CHAMPION)
"""Rows that also stand without the link, which shows what it does for simple and for learned restorers."""

_TABLES: Final = ("power", "chi2", "differences")
_TASKS: Final = ("bars", "voids", "opens")

# Where `zoo/train_weights.py -o FOLDER specialised` leaves the model of each condition.
_SPECIALISED: Final = {
    "dose x 1/4": "dose-quarter",
    "dose x 4": "dose-4",
    "80 mg/cm2": "screen-80",
    "220 mg/cm2": "screen-220",
}

SAMPLES: Final = 19
"""Samples an image: the truth falls into one of 20 equally likely places among them."""
_SAMPLE_STEPS: Final = 20
_SAMPLED: Final = {False: 6, True: 1}
"""Images that posterior samples are drawn of, in the full and in the quick run."""

_PICTURED: Final = {"random": "random board", "limesdr": "LimeSDR, real layout"}
_COLUMNS: Final = ("wiener", "unet", CHAMPION)
_WINDOW_PX, _PANEL_IN = 128, 2.5


def parse_weights(words: Sequence[str]) -> dict[str, str]:
    """Return label -> path of ``NAME=PATH`` words.

    Raises
    ------
    InputError
        If a word is not of that form.
    """
    found = {}
    for word in words:
        label, sign, path = word.rpartition("=")
        if not (label and sign and path):
            raise InputError(f"--weights {word}: is not NAME=PATH: write for example --weights unet=runs/unet")
        found[label] = path
    return found


def competitors(weights: Mapping[str, str]) -> tuple[list[Competitor], dict[str, str]]:
    """Return everyone who takes part, LR first, and for each absent restorer the reason.

    Weights whose label is a restorer's name replace the shipped ones; any other label is a row of its own, and so
    are weights that are shipped under another name than their restorer's.
    """
    names = [*_ORDER, *(name for name in xsim_zoo.names() if name not in {*_ORDER, LINKED_LR})]
    # What learns nothing takes the physics that the restorer of this table knows.
    physics = weights.get(_BRIDGE)
    found, absent = [Competitor(LINKED_LR, physics, label=LR)], {}
    for name in names:
        asked = Competitor(name, weights.get(name, None if xsim_zoo.get(name).learned else physics), label=name)
        try:
            asked.load("cpu")
        except MissingFileError as error:
            absent[name] = str(error)
        else:
            found += _rows(asked)
    for label, path in {**{label: str(path) for label, path in shipped().items()}, **weights}.items():
        if label not in names:
            found += _rows(Competitor(load_checkpoint(path).card.restorer, path, label=label))
    return found, absent


def _rows(asked: Competitor) -> list[Competitor]:
    """Return the rows of a restorer: one, or for a bridge its steps and its knob between fidelity and sharpness."""
    if asked.restorer != _BRIDGE:
        return [asked]
    name = asked.label
    rows = [replace(asked, steps=steps, label=f"{name} N={steps}") for steps in _STEPS]
    if name == _BRIDGE:
        last = _STEPS[-1]
        rows.append(replace(asked, steps=last, sharpness=_KNOB, label=f"{name} N={last}, sharpness {_KNOB:g}"))
    return rows


def asked_on(test_set: TestSet, rows: Sequence[Competitor], specialised: Path | None) -> list[Competitor]:
    """Return who is judged on a set.

    With the paper's detectors all rows are, some of them in LR grey as well. With others, each restorer at its own
    number of steps is, as its weights know the detectors and told of the right ones.
    """
    if test_set.condition == "paper":
        return [
            *rows,
            *(replace(row, grey="lr", label=f"{row.label}, LR grey") for row in rows if row.label in _IN_LR_GREY),
        ]
    plain = [row for row in rows if row.steps in {None, xsim_zoo.get(row.restorer).default_steps}]
    found = [replace(row, detectors="own") for row in plain]
    found += [replace(row, detectors="told", label=row.label + TOLD) for row in plain if row.label != LR]
    run = specialised / _SPECIALISED.get(test_set.condition, "-") if specialised else Path("-")
    if (run / "weights.safetensors").is_file():
        found.append(Competitor(_BRIDGE, str(run), steps=3, detectors="told", label=SPECIALISED))
    return found


@dataclass(frozen=True)
class _Draw:
    """One image whose posterior samples are asked for."""

    test_set: TestSet
    sample: int
    asked: Competitor


def sampled(draw: _Draw) -> tuple[str, dict[str, Any]]:
    """Draw posterior samples (eta 1) of one image and judge them: its family and the figures."""
    torch.set_num_threads(1)
    pair, restorer = draw.test_set.read(draw.sample, clean=True), draw.asked.load("cpu").restorer
    hr, samples, chi2 = inner(pair.hr), [], []
    for number in range(SAMPLES):
        generator = torch.Generator().manual_seed(torch_seed(SEED, sample=draw.sample, stage=f"posterior-{number}"))
        answer = restorer.restore_array(pair.lr, steps=_SAMPLE_STEPS, eta=1.0, noise=white_noise(generator))
        chi2.append(check(pair.lr, answer, restorer).chi2[: len(CHI2_BANDS)])
        samples.append(inner(answer))
    stack = np.stack(samples)
    found = sample_statistics(stack.reshape(SAMPLES, -1), hr.ravel())
    assert pair.clean is not None
    return pair.family, {
        "chi2": np.mean(chi2, axis=0).tolist(),
        "chi2_of_truth": list(check(pair.lr, pair.clean, restorer).chi2[: len(CHI2_BANDS)]),
        "covered": [covered(stack, hr, share) for share in NOMINAL],
        "spread": found.spread,
        "error": found.error,
        "psnr_mean_dB": psnr_dB(stack.mean(axis=0), hr),
        "psnr_sample_dB": float(np.mean([psnr_dB(sample, hr) for sample in stack])),
    }


def covered(stack: NDArray[np.floating], hr: NDArray[np.floating], share: float) -> float:
    """Return how often HR lies within the central interval of the samples.

    Among n samples the truth has n + 1 equally likely places; leaving out the same number of places at both ends is
    an interval of known probability whatever the distribution, and between two such intervals the share is linear.
    """
    places = len(stack) + 1
    depth = np.minimum((stack < hr).sum(axis=0), (stack > hr).sum(axis=0))
    out = 0.5 * (1.0 - share) * places
    whole = int(out)
    inside = [float(np.mean(depth >= left_out)) for left_out in (whole, whole + 1)]
    return inside[0] + (out - whole) * (inside[1] - inside[0])


def posterior(test_set: TestSet, asked: Competitor, count: int, workers: int) -> Samples:
    """Return posterior samples of the first images of a set: means over images, rms of spread and error."""
    draws = [_Draw(test_set, sample, asked) for sample in range(count)]
    found = sorted((ProcessPool(workers) if workers > 1 else Serial()).run(sampled, draws), key=lambda item: item[0])
    over = Bootstrap([family for family, _ in found])
    columns = {key: np.array([one[key] for _, one in found]) for key in found[0][1]}
    chi2, truth, inside = (
        tuple(over.mean(column) for column in columns[key].T) for key in ("chi2", "chi2_of_truth", "covered")
    )
    spread, error = (float(np.sqrt(np.mean(columns[key] ** 2))) for key in ("spread", "error"))
    psnr = (float(columns[key].mean()) for key in ("psnr_mean_dB", "psnr_sample_dB"))
    return Samples(count, SAMPLES, _SAMPLE_STEPS, chi2, truth, inside, spread, error, *psnr)


def picture(
    path: Path, found: Mapping[tuple[str, str], Evaluation], sets: Iterable[TestSet], rows: Sequence[Competitor]
) -> None:
    """Draw the image of median PSNR of each pictured set, so that none is picked for its looks."""
    shown = [row for row in rows if row.label in _COLUMNS]
    pictured = [one for one in sets if one.name in _PICTURED and CHAMPION in found[one.name, one.condition].labels]
    if not pictured or not shown:
        return
    figure = Figure(figsize=(_PANEL_IN * (len(shown) + 2), (_PANEL_IN + 0.35) * len(pictured)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(pictured), len(shown) + 2, squeeze=False)
    for line, test_set in zip(axes, pictured, strict=True):
        scores = [one for one in found[test_set.name, "paper"].images if one.restorer == CHAMPION]
        ordered = sorted((one.psnr_dB or np.inf, one.sample) for one in scores)
        pair = test_set.read(ordered[len(ordered) // 2][1], clean=True)
        answers = {row.label: replace(row.load("cpu"), seed=SEED).answer(pair.lr, number=pair.sample) for row in shown}
        images = {"LR": pair.lr, **answers, "HR": pair.hr}
        assert pair.clean is not None
        window = _liveliest(inner(pair.clean))
        low, high = np.percentile(inner(pair.hr)[window], [0.2, 99.8])
        for axis, (label, image) in zip(line, images.items(), strict=True):
            axis.imshow(inner(image)[window], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axis.set_axis_off()
            said = _PICTURED[test_set.name] if label == "HR" else f"{psnr_dB(inner(image), inner(pair.hr)):.1f} dB"
            axis.set_title(f"{label}\n{said}", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _liveliest(image: NDArray[np.floating]) -> tuple[slice, slice]:
    """Return the window in which neighbours differ most."""
    change = np.zeros(image.shape)
    change[:-1] += np.abs(np.diff(image, axis=0))
    change[:, :-1] += np.abs(np.diff(image, axis=1))
    total = np.pad(change, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    side = min(_WINDOW_PX, *image.shape)
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    y, x = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return slice(int(y), int(y) + side), slice(int(x), int(x) + side)


def write(
    folder: Path, found: dict[tuple[str, str], Evaluation], samples: Samples | None, absent: dict[str, str]
) -> Path:
    """Write markdown, CSV and JSON, and return the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = claims(found, samples)
    versions = {name: version(name) for name in ("torch", "numpy", "scipy")}
    machine = f"{platform.system()} {platform.machine()}"
    command = shlex.join(["python", "benchmarks/headline.py", *sys.argv[1:]])
    document = {
        "schema": SCHEMA,
        "xsim": xsim.__version__,
        "command": command,
        "machine": machine,
        "seed": SEED,
        "absent": absent,
        "claims": [asdict(line) for line in lines],
        "samples": None if samples is None else {key: _json(value) for key, value in vars(samples).items()},
        "evaluations": {
            f"{name}, {condition}": one.to_dict(pictures=False) for (name, condition), one in found.items()
        },
    }
    (folder / "headline.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _write_csv(folder / "headline.csv", found)
    said = ", ".join(f"{name} {number}" for name, number in versions.items())
    made = (
        f"Made by `{command}` with xsim {xsim.__version__}, Python {platform.python_version()}, {said}, on {machine}; "
        f"test sets of seed {SEED}."
    )
    head = ["# Restorers side by side", "", made, "", NOTE, ""]
    if absent:
        head += ["Absent:", "", *(f"- {name}: {why}" for name, why in absent.items()), ""]
    text = folder / "headline.md"
    text.write_text("\n".join([*head, *(one.markdown() for one in tables(found, samples, lines))]), encoding="utf-8")
    return text


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_json(one) for one in value] if isinstance(value, tuple) else value


def _write_csv(path: Path, found: Mapping[tuple[str, str], Evaluation]) -> None:
    """Write one line for each row and image; chi2 has a column for each band."""
    kept = ("family", "sample", "restorer", "psnr_dB", "ssim", "rmse", "bias", "unsupported", "seconds")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "condition", *kept, *(f"chi2_{band}" for band in CHI2_BANDS)])
        for key, evaluation in found.items():
            for row in evaluation.images:
                writer.writerow([*key, *(getattr(row, name) for name in kept), *row.chi2[: len(CHI2_BANDS)]])


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for tables and picture")
    parser.add_argument("--quick", action="store_true", help="few images of each set")
    parser.add_argument("--sets", nargs="+", default=list(SETS), metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--specialised", type=Path, help="folder of `zoo/train_weights.py -o FOLDER specialised`")
    add_image_options(parser)
    parser.add_argument("--picture", type=Path, help="where the picture goes; OUT/headline.png if not given")
    return parser.parse_args()


def run(words: argparse.Namespace) -> Path:
    """Make the sets, have them evaluated, write; return the path of the markdown."""
    rows, absent = competitors(parse_weights(words.weights))
    names = list(words.sets)
    if "limesdr" in names and not words.gerber.is_dir():
        absent["limesdr windows"] = f"no Gerber files at {words.gerber}: give --gerber"
        names.remove("limesdr")
    cache = image_folder(words.cache, words.output)
    sets = [one for name in names for one in TestSet.all_of(name, cache, words.gerber, quick=words.quick)]
    found: dict[tuple[str, str], Evaluation] = {}
    for place, test_set in enumerate(sets):
        # Probes simulate all that they show: one set of the paper's detectors is enough.
        sections = (*_TABLES, *_TASKS) if place == 0 and test_set.condition == "paper" else _TABLES
        asked = Options(sections=sections, quick=words.quick, seed=SEED)
        print(f"{test_set.path}: {test_set.count} images", file=sys.stderr)
        who = asked_on(test_set, rows, words.specialised)
        found[test_set.name, test_set.condition] = evaluate(who, test_set, asked, workers=words.workers, quiet=False)
    samples = None
    champion = next((row for row in rows if row.label == CHAMPION), None)
    if champion is not None and "random" in names:
        random = next(one for one in sets if one.name == "random")
        samples = posterior(random, champion, _SAMPLED[words.quick], words.workers)
    picture(words.picture or words.output / "headline.png", found, sets, rows)
    return write(words.output, found, samples, absent)


def main() -> int:
    """Run, and print the tables."""
    words = options()
    start = time.monotonic()
    try:
        written = run(words)
    except XsimError as error:
        print(f"headline: {error}", file=sys.stderr)
        return error.exit_code
    print(written.read_text(encoding="utf-8"))
    print(f"{time.monotonic() - start:.0f} s with {words.workers} workers; written to {words.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
