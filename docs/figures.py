"""Fill the headline's figures into README and documentation, so that none of them can go stale.

    python docs/figures.py OUT       # after `python benchmarks/headline.py -o OUT`: keep its record, fill all pages in
    python docs/figures.py OUT --update    # of a run of some rows keep those whose weights are others
    python docs/figures.py           # fill in again from the record that is kept
    python docs/figures.py --check   # say which figures of the pages are not those of the record

A figure of a page stands between ``<!-- fig WORDS -->`` and ``<!-- /fig -->``; the words ask the record
(``docs/records/headline.json``) for it:

``table untold``, ``table told``
    Every row of a table, PSNR, SSIM, power at 4 lp/mm and cost on both sets.
``short untold``, ``short told``
    The README's rows of it.
``score SET ROW``
    PSNR [dB] and SSIM.
``psnr SET ROW``, ``ssim SET ROW``, ``power SET ROW``
    One of them; power at 4 lp/mm with its interval.
``less SET ROW ROW [psnr|ssim|power]``
    How much one row leads another by, paired by image, with its interval; ``less-mean`` without.
``truth SET``, ``samples chi2|truth|covered``
    chi2 of the noise-free HR image and of posterior samples by band; shares [%] that intervals of samples hold.
``voids ROW``, ``opens ROW GAP COPPER``, ``bars ROW LP_MM``
    Error of void areas [% of the ball], AUC of open tracks [um], contrast of bars.
``images SET``, ``seeds``
    How many images a set has, and how many training seeds were asked.
``leads``
    The leads that are claimed, by training seed.
``detectors``
    PSNR of `universal` by detectors, and its leads over the others.
``failed``
    Every claim that does not hold, or could not be asked.
``made``
    The command, the version and the machine of the record.
``real table``, ``real said FILE``
    Of `docs/radiographs.py`: what came of each radiograph, failures first; what the program said of one.

SET is ``random`` or ``limesdr``; a row is named by its label, of which ``N=3`` may be left out. What cannot be filled
in is left as it is and named. Words around a figure stay as they are: what changed is printed, to be read again.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = ROOT / "docs" / "records" / "headline.json"
RADIOGRAPHS: Final = ROOT / "docs" / "records" / "radiographs.json"
PICTURE: Final = ROOT / "docs" / "images" / "headline.png"
MARK: Final = re.compile(r"<!-- fig (?P<words>.+?) -->(?P<text>.*?)<!-- /fig -->", re.DOTALL)

_SETS: Final = ("random", "limesdr")
_NAMES: Final = {"raw": "lr", "linked": "LR, linked"}
"""Short names of rows in the words of a mark."""

_README: Final = {
    "lr": "the blurred image",
    "physics-sde-paper N=3": "`physics-sde-paper`, the paper's method read as well as it can be",
    "cdm-untold": "`cdm`, conditional diffusion",
    "unet-untold": "`unet`, plain regression",
    "LR, linked": "the blurred image",
    "wiener": "`wiener`",
    "cdm": "`cdm`",
    "unet-log": "`unet-log`, plain regression on line integrals",
    "unet": "`unet`",
    "unet-wiener": "`unet-wiener`",
    "unet-wiener-small": "`unet-wiener`, three times as large",
    "physics-sde N=3": "`physics-sde`, three passes",
    "universal N=3": "`physics-sde --weights universal`, ten times the training, on 768 pairs of detectors",
}
"""Rows of the README's tables, in its own words and order; those that the record lacks are left out."""


class FigureError(ValueError):
    """Words of a mark that ask for nothing the record holds."""


def number(value: float, digits: int) -> str:
    """Return a number as the pages write it, without the zero before its point."""
    text = f"{value:.{digits}f}"
    if not text.strip("-0."):
        text = text.removeprefix("-")
    return re.sub(r"^(-?)0\.", r"\1.", text)


def interval(estimate: list[float | None], digits: int) -> str:
    """Return ``mean [low, high]``, or the mean alone where there is no interval."""
    mean, low, high = estimate
    if mean is None:
        raise FigureError("was not measured")
    if low is None or high is None:
        return number(mean, digits)
    return f"{number(mean, digits)} [{number(low, digits)}, {number(high, digits)}]"


@dataclass(frozen=True)
class Figures:
    """What a record answers to the words of a mark."""

    record: Mapping[str, Any]

    def __call__(self, words: str) -> str:
        """Return what belongs between the marks.

        Raises
        ------
        FigureError
            If the words are not understood, or the record has no such figure.
        """
        name, *rest = shlex.split(words)
        asked = _ASKED.get(name)
        if asked is None:
            raise FigureError(f"nothing is called '{name}': write one of {', '.join(_ASKED)}")
        try:
            return asked(self, *rest)
        except TypeError as error:
            raise FigureError(f"too few or too many words: {error}") from error
        except KeyError as error:
            raise FigureError(f"the record has no {error}") from error

    def label(self, name: str, rows: Mapping[str, Any]) -> str:
        """Return the label of a row, of which the number of steps may be left out."""
        name = _NAMES.get(name, name)
        found = [label for label in rows if label == name] or [
            label for label in rows if re.fullmatch(rf"{re.escape(name)} N=\d+", label)
        ]
        if len(found) != 1:
            raise KeyError(name)
        return found[0]

    def row(self, of: str, name: str) -> Mapping[str, Any]:
        """Return a row of a set."""
        rows: Mapping[str, Any] = self.record["rows"][of]
        found: Mapping[str, Any] = rows[self.label(name, rows)]
        return found

    def score(self, of: str, name: str) -> str:
        """Return PSNR and SSIM."""
        return f"{self.psnr(of, name)} / {self.ssim(of, name)}"

    def psnr(self, of: str, name: str) -> str:
        """Return the mean PSNR [dB]."""
        return number(self.row(of, name)["psnr_dB"][0], 2)

    def ssim(self, of: str, name: str) -> str:
        """Return the mean SSIM."""
        return number(self.row(of, name)["ssim"][0], 3)

    def power(self, of: str, name: str) -> str:
        """Return the power at 4 lp/mm, as share of the noise-free HR image's."""
        return interval(self.row(of, name)["power"]["4"], 2)

    def lead(self, of: str, champion: str, other: str, metric: str) -> list[float | None]:
        """Return how much a row leads another by."""
        leads = self.record["leads"][of]
        ahead = leads[self.label(champion, leads)]
        name, _ = _METRICS[metric]
        found: list[float | None] = ahead[self.label(other, ahead)][name]
        return found

    def less(self, of: str, champion: str, other: str, metric: str = "psnr") -> str:
        """Return a lead with its interval."""
        return interval(self.lead(of, champion, other, metric), _METRICS[metric][1])

    def less_mean(self, of: str, champion: str, other: str, metric: str = "psnr") -> str:
        """Return a lead without its interval."""
        return number(self.lead(of, champion, other, metric)[0] or 0.0, _METRICS[metric][1])

    def truth(self, of: str) -> str:
        """Return chi2 of the noise-free HR image."""
        return _listed(number(one[0], 2) for one in self.record["chi2_of_truth"][of])

    def samples(self, what: str) -> str:
        """Return chi2 of posterior samples or of the truth beside them, or what their intervals hold [%]."""
        found = self.record["samples"] or {}
        if what == "covered":
            return _listed(f"{100 * one[0]:.1f}" for one in found["covered"])
        return _listed(number(one[0], 2) for one in found[{"chi2": "chi2", "truth": "chi2_of_truth"}[what]])

    def voids(self, name: str) -> str:
        """Return the mean error of void areas [% of the ball]."""
        rows = self.record["voids"]
        return interval(rows[self.label(name, rows)], 2)

    def opens(self, name: str, gap_um: str, copper_um: str) -> str:
        """Return how well open tracks are told from sound ones: the area under the ROC curve."""
        rows = self.record["opens"]
        return interval(rows[self.label(name, rows)][f"{gap_um} in {copper_um}"], 2)

    def bars(self, name: str, lp_mm: str) -> str:
        """Return the contrast of bars."""
        rows = self.record["bars"]
        return number(rows[self.label(name, rows)][lp_mm], 2)

    def images(self, of: str) -> str:
        """Return how many images a set has."""
        return str(self.record["images"][of])

    def seeds(self) -> str:
        """Return of how many training seeds the leads are."""
        return str(max([1, *(len(of) for of in self.record["seeds"].values())]))

    def made(self) -> str:
        """Return what made the record."""
        return f"`{self.record['command']}`, xsim {self.record['xsim']}, {self.record['machine']}"

    def failed(self) -> str:
        """Return every claim that does not hold, with what was found; then those that could not be asked."""
        lines = [
            f"- {one['claim']} ({one['set_name']}): {'in the mean only, ' if one['holds'] == 'not shown' else ''}"
            f"{one['found']}"
            for one in self.record["claims"]
            if one["holds"] in {"NO", "not shown"}
        ]
        absent = [f"{one['claim']} ({one['set_name']})" for one in self.record["claims"] if one["holds"] == "absent"]
        if absent:
            lines.append(f"- Not asked, as weights are absent: {'; '.join(absent)}.")
        return _block(lines)

    def leads(self) -> str:
        """Return the leads by training seed."""
        rows = {
            (champion, other): None
            for of in self.record["seeds"].values()
            for one in of.values()
            for champion, others in one.items()
            for other in others
        }
        if not rows:
            return _block(["One training seed only."])
        seeds = sorted({seed for of in self.record["seeds"].values() for seed in of}, key=int)
        heads = [f"{_SHORT_SETS[of]}, seed {seed}" for of in self.record["seeds"] for seed in seeds]
        lines = []
        for champion, other in rows:
            cells = []
            for of in self.record["seeds"].values():
                for seed in seeds:
                    one = of.get(seed, {}).get(champion, {}).get(other)
                    cells.append(interval(one["psnr_dB"], 2) if one else "")
            lines.append([f"{_named(champion)} less {_named(other)} [dB]", *cells])
        return _table(["lead", *heads], lines)

    def real(self, what: str, file: str = "") -> str:
        """Return what came of real radiographs, failures first, or what was said of one."""
        entries = self.record["radiographs"]
        if what == "table":
            heads = ["radiograph", "what it is", "f50 [cycles a pixel], edges", "noise [%]", "area checked", "verdict"]
            return _table(heads, [_real_row(entry) for entry in sorted(entries, key=_how_good)])
        found = {entry["file"]: entry for entry in entries}[file]
        said = [*found.get("notes", ()), found["consistency"]["verdict"] if "consistency" in found else found["said"]]
        return _block([f"> {one}\n>" for one in said])

    def detectors(self) -> str:
        """Return PSNR of the weights of many detectors, and their lead over the specialised, the told, the untold."""
        heads = ["detectors", "`universal`", "over specialised", "over `physics-sde`, told", "untold"]
        lines = [
            [condition, number(scores[0][0], 2), *(interval(one, 2) if one else "" for one in scores[1:])]
            for condition, scores in self.record["detectors"].items()
        ]
        return _table(heads, lines)

    def table(self, which: str) -> str:
        """Return all rows of a table."""
        labels = [*(["lr"] if which == "untold" else []), *self.record[which]]
        best = {of: max((self.record["rows"][of][one]["psnr_dB"][0] for one in labels), default=0.0) for of in _SETS}
        lines = []
        for label in labels:
            scores = [
                f"**{self.score(of, label)}**"
                if len(labels) > 2 and self.row(of, label)["psnr_dB"][0] == best[of]
                else self.score(of, label)
                for of in _SETS
            ]
            power = " / ".join(number(self.row(of, label)["power"]["4"][0], 2) for of in _SETS)
            cost = self.record["costs"].get(label)
            mflop = number(cost["mflop_px"], 3) if cost and cost["mflop_px"] else ""
            lines.append([_named(label), *scores, power, mflop, number(cost["s_mp"], 1) if cost else ""])
        heads = ["restorer", "random boards", "LimeSDR windows", "power", "MFLOP a pixel", "s"]
        return _table(heads, lines)

    def short(self, which: str) -> str:
        """Return the README's rows of a table."""
        here = {"lr", *self.record["untold"]} if which == "untold" else set(self.record["told"])
        lines = [
            [text, *(self.score(of, label) for of in _SETS)]
            for label, text in _README.items()
            if label in here and all(label in self.record["rows"][of] for of in _SETS)
        ]
        head = "nobody is told the grey levels" if which == "untold" else "all are told"
        sets = (f"{self.images('random')} random boards", f"{self.images('limesdr')} windows of LimeSDR, a real layout")
        return _table([head, *sets], lines)


_METRICS: Final = {"psnr": ("psnr_dB", 2), "ssim": ("ssim", 4), "power": ("power", 2)}
"""Name in the record, and digits in a lead."""

_SHORT_SETS: Final = {"random": "random", "limesdr": "LimeSDR"}
_ASKED: Final[dict[str, Callable[..., str]]] = {
    name.replace("_", "-"): getattr(Figures, name)
    for name in (
        *("table", "short", "score", "psnr", "ssim", "power", "less", "less_mean", "truth", "samples"),
        *("voids", "opens", "bars", "images", "seeds", "leads", "detectors", "failed", "made", "real"),
    )
}


def _how_good(entry: Mapping[str, Any]) -> tuple[bool, bool, bool, str]:
    """Return what failures come first by."""
    check = entry.get("consistency", {"consistent": False, "judged": False})
    return "consistency" in entry, check["judged"], check["consistent"], entry["file"]


def _real_row(entry: Mapping[str, Any]) -> list[str]:
    name = f"`{entry['file']}` ({entry['source']}, {entry['licence']})"
    if "consistency" not in entry:
        return [name, entry["shows"], "", "", "", f"refused: {entry['said']}"]
    detector, check = entry["detector"], entry["consistency"]
    edges = f"{number(detector['f50_cycles_px'], 3)}, {detector['edges']}"
    noise = f"{100 * detector['noise_open_field']:.2f}"
    return [name, entry["shows"], edges, noise, f"{check['checked_share']:.0%}", check["verdict"]]


def _listed(texts: Any) -> str:
    return ", ".join(texts)


def _block(lines: list[str]) -> str:
    return "\n\n" + "\n".join(lines) + "\n\n"


def _table(heads: list[str], lines: list[list[str]]) -> str:
    return _block([f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines)])


def _named(label: str) -> str:
    """Return a row's label as the documentation writes it."""
    if label == "lr":
        return "LR, raw"
    if label.startswith("LR"):
        return label
    found = re.fullmatch(r"(?P<name>[^ ,]+)(?: N=(?P<steps>\d+))?(?P<rest>.*)", label)
    assert found is not None
    steps = f", {found['steps']} step{'' if found['steps'] == '1' else 's'}" if found["steps"] else ""
    return f"`{found['name']}`{steps}{found['rest']}"


def records() -> dict[str, Any]:
    """Return what the pages are filled in from."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (RADIOGRAPHS, RECORD)]
    return {**found[0], **found[1]}


def pages() -> list[Path]:
    """Return every page that may hold figures."""
    return [ROOT / "README.md", ROOT / "paper" / "paper.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(page: str, figures: Figures) -> tuple[str, list[str], list[str]]:
    """Return a page with its figures, what changed in it, and what could not be filled in."""
    changed, failed = [], []

    def one(match: re.Match[str]) -> str:
        try:
            text = figures(match["words"])
        except FigureError as error:
            failed.append(f"'{match['words']}': {error}")
            return match[0]
        if text != match["text"]:
            line = page.count("\n", 0, match.start()) + 1
            kind = "a table or list" if "\n" in text else f"{match['text'].strip()} -> {text}"
            changed.append(f"line {line}, {match['words']}: {kind}")
        return f"<!-- fig {match['words']} -->{text}<!-- /fig -->"

    return MARK.sub(one, page), changed, failed


def keep(folder: Path, *, update: bool = False) -> None:
    """Keep the record and the picture of a run of `benchmarks/headline.py -o FOLDER`, or its new rows alone."""
    sys.path[:0] = [str(ROOT / name) for name in ("benchmarks", "zoo", "datasets", "")]
    from headline_record import read, updated  # noqa: PLC0415 (needs torch, which filling in does not)

    record = read(folder)
    if update:
        record = updated(json.loads(RECORD.read_text(encoding="utf-8")), record)
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if (folder / "headline.png").is_file() and not update:
        shutil.copyfile(folder / "headline.png", PICTURE)


def main() -> int:
    """Fill the pages in, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", metavar="OUT", help="folder of a run of benchmarks/headline.py")
    parser.add_argument("--update", action="store_true", help="keep only the rows whose weights are others")
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 where a page differs")
    words = parser.parse_args()
    if words.run is not None and not (words.run / "headline.json").is_file():
        print(f"figures: {words.run}: holds no headline.json: run benchmarks/headline.py -o OUT", file=sys.stderr)
        return 2
    if words.run is not None:
        keep(words.run, update=words.update)
    figures, differs = Figures(records()), False
    for path in pages():
        page = path.read_text(encoding="utf-8")
        text, changed, failed = filled(page, figures)
        for line in [*changed, *(f"cannot be filled in: {one}" for one in failed)]:
            print(f"{path.relative_to(ROOT)}: {line}")
        differs = differs or bool(failed) or (words.check and bool(changed))
        if changed and not words.check:
            path.write_text(text, encoding="utf-8")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
