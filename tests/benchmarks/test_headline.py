"""The headline's test sets, figures and claims say what they should of scores whose truth is known."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.zoo.evaluation.example import example_evaluation
from xsim.errors import InputError, MissingFileError, UnknownNameError
from xsim_zoo.evaluation import Options, evaluate
from xsim_zoo.evaluation.records import Estimate, ImageScore
from xsim_zoo.evaluation.results import section_names
from xsim_zoo.training.finishing.temperature import coverage
from xsim_zoo.weights.card import shipped as files

cost_of = pytest.importorskip("headline_cost")
rows = pytest.importorskip("headline_rows")
samples = pytest.importorskip("headline_samples")
sets = pytest.importorskip("headline_sets")
figures = pytest.importorskip("headline_figures")
checked = pytest.importorskip("headline_claims")
tables = pytest.importorskip("headline_tables")

RINGS = 20
"""Rings of 0.5 lp/mm up to the Nyquist frequency of the paper's pixels."""


def scored(row: str, number: int, *, psnr_dB: float, power: float = 1.0):
    return ImageScore(
        restorer=row,
        sample=number,
        family=f"board-{number}",
        design="random",
        setup=0,
        kerma_uGy=42.56,
        psnr_dB=psnr_dB,
        ssim=psnr_dB / 50,
        rmse=0.01,
        bias=0.0,
        band_lp_mm=((0.3, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 10.4)),
        chi2=(0.9, 0.8, 0.7, 0.6, 0.5),
        unsupported=0.0,
        grey_residual=0.0,
        reference_power=(float(number + 1),) * RINGS,
        power_ratio=(power,) * RINGS,
        transfer=(0.5 * power,) * RINGS,
        outside=0.0,
        seconds=0.1,
    )


def judged(*scores: ImageScore):
    """Return an evaluation of these scores, and of raw LR images, which are in every evaluation."""
    labels = tuple(dict.fromkeys(score.restorer for score in scores))
    bare = example_evaluation(labels, absent=dict.fromkeys(section_names(), "not needed"))
    raw = tuple(scored(figures.RAW, number, psnr_dB=24.0) for number in sorted({score.sample for score in scores}))
    return bare.model_copy(update={"images": (*raw, *scores)})


def test_sets_hold_what_they_say_and_quick_ones_are_parts_of_them(tmp_path):
    for name in sets.SETS:
        full, quick = (sets.TestSet.all_of(name, tmp_path, quick=fast) for fast in (False, True))
        assert [one.condition for one in full] == [one.condition for one in quick]
        for more, fewer in zip(full, quick, strict=True):
            assert set(fewer.samples("test")) < set(more.samples("test"))
            assert fewer.digest != more.digest
    assert len(sets.TestSet.all_of("random", tmp_path)[0].samples("test")) == 48
    assert len(sets.TestSet.all_of("limesdr", tmp_path)[0].samples("test")) == 24
    with pytest.raises(UnknownNameError, match="test set"):
        sets.TestSet.all_of("nosuch", tmp_path)


def test_an_image_is_made_once_and_the_same_again(tmp_path):
    one, other = (sets.TestSet("shapes", "paper", 6, tmp_path / name) for name in "ab")
    first = one.read(1, clean=True)
    assert len(list((tmp_path / "a").iterdir())) == 1
    kept, made = one.read(1, clean=True), other.read(1, clean=True)
    for name in ("lr", "hr", "clean"):
        image = getattr(first, name)
        assert image.shape == (320, 320)
        assert np.array_equal(image, getattr(kept, name))
        assert np.array_equal(image, getattr(made, name))
    noise = first.hr - first.clean
    assert 0 < noise.std() < 0.02


def test_a_real_board_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="--gerber"):
        sets.TestSet("limesdr", "paper", 1, tmp_path, tmp_path / "nosuch").read(0, clean=False)


def test_doses_show_the_boards_of_the_random_set(tmp_path):
    (random,) = sets.TestSet.all_of("random", tmp_path)
    boards = {random.cluster(sample) for sample in random.samples("test")}
    for one in sets.TestSet.all_of("detectors", tmp_path):
        assert {one.cluster(sample) for sample in one.samples("test")} < boards


def fake_run(folder, name, shipped, **options):
    """Leave weights that ship as a run of another name, its card changed in some options."""
    path = files()[shipped]
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    card["options"].update(options)
    (folder / name).mkdir(parents=True)
    shutil.copyfile(path, folder / name / "weights.safetensors")
    (folder / name / "weights.json").write_text(json.dumps(card), encoding="utf-8")


def test_raw_lr_stands_in_one_table_and_linked_lr_in_the_other(tmp_path):
    one = sets.TestSet("shapes", "paper", 2, tmp_path)
    cast = rows.cast_of(rows.Weights({}))
    asked = [row for row in cast.on(one) if row.label in {figures.LR, "wiener"}]
    found = evaluate(asked, one, Options(sections=("power", "chi2", "differences"), seed=sets.SEED), workers=1)
    psnr = found.means("psnr_dB")
    assert psnr["wiener"] > psnr[figures.LR] > psnr[figures.RAW]
    assert found.provenance.settings["reference of power"] == "HR simulated without noise"
    cost = {"wiener": cost_of.Cost(0.0, 0.25)}
    outcome = figures.Outcome({("shapes", "paper"): found}, (), (figures.LR, "wiener"), costs=cost)
    untold, told = tables.tables(outcome, [])[1:3]
    assert [row[0] for row in untold.rows] == ["LR, raw"]
    assert [row[0] for row in told.rows] == [figures.LR, "wiener"]
    assert [row[-2:] for row in told.rows] == [("-", "-"), ("0", "0.25")]
    assert "without the grey-level link" in untold.markdown().split("|")[0]
    assert "same grey-level link" in told.markdown().split("|")[0]


def test_every_row_meets_the_conditions_of_its_table(tmp_path):
    fake_run(tmp_path, "unet-untold", "unet", link=False)
    fake_run(tmp_path, "paper-independent", "physics-sde-paper", coupling="independent")
    cast = rows.cast_of(rows.Weights({"mine": str(tmp_path / "unet-untold")}, tmp_path))
    for row in cast.rows:
        assert row.competitor.load("cpu").restorer.uses_link == row.told
    independent = "paper-independent N=3"
    started = f"{independent}, started at h^-1(y)"
    assert {figures.PAPER, "unet-untold", independent, started, "mine"} <= set(cast.labels(told=False))
    assert {figures.LR, figures.CHAMPION, "tv", "unet-wiener, flips"} <= set(cast.labels(told=True))
    starts = {
        row.label: row.competitor.load("cpu").restorer.options["start"] for row in cast.rows if "indep" in row.label
    }
    assert starts == {independent: "y", started: "linked"}
    with pytest.raises(InputError, match="was trained without the link"):
        rows.cast_of(rows.Weights({"unet": str(tmp_path / "unet-untold")}))
    with pytest.raises(InputError, match="was trained with the link"):
        rows.cast_of(rows.Weights({"unet-untold": str(files()["unet"])}))


def test_what_is_absent_is_named_with_the_command_that_makes_it(tmp_path):
    fake_run(tmp_path, "unet-wiener-seed1", "unet-wiener")
    fake_run(tmp_path, "cdm-untold-seed2", "cdm", link=False)
    weights = rows.Weights({}, tmp_path)
    assert weights.seeds() == [1, 2]
    cast = rows.cast_of(weights)
    assert {seed: [row.label for row in one] for seed, one in cast.seeds.items()} == {
        1: ["unet-wiener"],
        2: ["cdm-untold"],
    }
    assert f"train_weights.py -o {tmp_path} unet-untold, then" in cast.absent["unet-untold"]
    assert "unet-wiener-small --seed 2" in cast.absent["unet-wiener-small, seed 2"]
    assert "unet-wiener, seed 1" not in cast.absent
    assert "physics-sde N=3, seed 2" in rows.cast_of(rows.Weights({}), seeds=3).absent
    for name in {
        name.partition(" --seed")[0].rpartition(" ")[2] for name in (c.partition(",")[0] for c in cast.absent.values())
    }:
        assert name in trainable(), name


def test_rows_may_be_chosen_by_label():
    cast = rows.cast_of(rows.Weights({}))
    some = cast.only(["wiener", "physics-sde N=3"])
    assert [row.label for row in some.rows] == ["wiener", "physics-sde N=3"]
    with pytest.raises(UnknownNameError, match="wieners"):
        cast.only(["wieners"])


def trainable():
    """Return the names that `zoo/train_weights.py` knows."""
    program = runpy.run_path(str(Path(__file__).parents[2] / "zoo" / "train_weights.py"))
    return program["KNOWN"]


def test_other_detectors_are_asked_as_known_and_as_told(tmp_path):
    cast = rows.cast_of(rows.Weights({}))
    asked = {one.label: one for one in cast.on(sets.TestSet("detectors", "dose x 4", 1, tmp_path))}
    assert asked["unet"].detectors == "own"
    assert asked["unet, told"].detectors == "told"
    assert "physics-sde N=3, told" in asked
    assert not any("flips" in label or "paper" in label for label in asked)


def test_weights_are_named_and_labels_may_hold_anything():
    found = rows.parse_weights(["unet=runs/unet", "unet, no link=runs/plain"])
    assert found == {"unet": "runs/unet", "unet, no link": "runs/plain"}
    with pytest.raises(InputError, match="NAME=PATH"):
        rows.parse_weights(["runs/unet"])


def test_differences_are_paired_by_image():
    # The boards differ by 30 dB, the lead is one dB on each of them.
    scores = [scored(figures.CHAMPION, n, psnr_dB=30.0 + 10 * n) for n in range(4)]
    scores += [scored("unet", n, psnr_dB=29.0 + 10 * n, power=0.8) for n in range(4)]
    lead = figures.leads(judged(*scores), figures.CHAMPION, ("unet",))["unet"]
    assert lead.psnr_dB.mean == pytest.approx(1.0)
    assert (lead.psnr_dB.low, lead.psnr_dB.high) == pytest.approx((1.0, 1.0))
    assert lead.power.mean == pytest.approx(0.2)


def test_power_is_a_ratio_of_sums():
    found = judged(scored("unet", 0, psnr_dB=30.0, power=1.0), scored("unet", 1, psnr_dB=30.0, power=0.25))
    outcome = figures.Outcome({("random", "paper"): found}, told=("unet",))
    (row,) = next(one for one in tables.tables(outcome, []) if one.title.startswith("All are told")).rows
    power = (1.0 * 1 + 0.25 * 2) / 3
    assert row[3:7] == (f"{power:.2f}",) * 3 + (f"{0.5 * power:.2f}",)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ((29.0, 29.0), "yes"),
        ((29.0, 30.5), "not shown"),
        ((31.0, 31.0), "NO"),
        ((29.95, 29.95), "NO"),  # less than .1 dB
        ((), "absent"),
    ],
)
def test_a_lead_holds_only_with_its_whole_interval(other, says):
    scores = [scored(figures.CHAMPION, n, psnr_dB=30.0) for n in range(2)]
    scores += [scored("unet-wiener", n, psnr_dB=value) for n, value in enumerate(other)]
    outcome = figures.Outcome({("random", "paper"): judged(*scores)}, told=(figures.CHAMPION,))
    lines = checked.claims(outcome)
    (line,) = [line for line in lines if "leads unet-wiener in PSNR" in line.claim]
    assert line.holds == says
    assert "leads unet-wiener in PSNR" in tables.tables(outcome, lines)[0].markdown()


def test_universal_is_held_against_the_right_model_of_each_condition():
    champion, dose = figures.CHAMPION, "dose x 4"
    scores = [scored(champion, n, psnr_dB=40.0) for n in range(3)]
    scores += [scored("universal N=3", n, psnr_dB=39.8) for n in range(3)]
    other = []
    for row, psnr_dB in [
        (champion, 28.0),
        (f"{champion}, told", 41.0),
        ("universal N=3", 10.0),
        ("universal N=3, told", 41.5),
        (figures.SPECIALISED, 42.5),
    ]:
        other += [scored(row, n, psnr_dB=psnr_dB + n) for n in range(3)]
    found = {("random", "paper"): judged(*scores), ("detectors", dose): judged(*other)}
    outcome = figures.Outcome(found, told=(champion, "universal N=3"))
    said = {line.claim: (line.holds, line.found) for line in checked.claims(outcome) if "universal" in line.claim}
    assert [holds for holds, _ in said.values()] == ["yes", "NO", "yes"]
    assert [float(text.split()[0]) for _, text in said.values()] == pytest.approx([-0.2, -1.0, 13.5])
    text = "".join(table.markdown() for table in tables.tables(outcome, []))
    assert f"| {dose} | 42.50 [" in text
    assert "| 0.50 [" in text


def test_intervals_of_an_exchangeable_truth_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((samples.SAMPLES + 1, 200, 200))
    for share in figures.NOMINAL:
        assert coverage(drawn[1:], drawn[0], share) == pytest.approx(share, abs=0.01)
    # A posterior that is too sure of itself covers too little.
    assert coverage(0.5 * drawn[1:], drawn[0], 0.8) < 0.7


def test_leads_are_those_of_one_training_seed():
    def of_seed(lead):
        scores = [scored(figures.CHAMPION, n, psnr_dB=40.0 + n + lead) for n in range(3)]
        scores += [scored("unet-wiener", n, psnr_dB=40.0 + n) for n in range(3)]
        return judged(*scores)

    seeds = {("random", 1): of_seed(0.5), ("limesdr", 1): of_seed(9.0)}
    outcome = figures.Outcome({("random", "paper"): of_seed(-0.25)}, told=("unet-wiener",), seeds=seeds)
    table = next(one for one in tables.tables(outcome, []) if one.title.startswith("Leads by training seed"))
    found = {row[:2]: row[2] for row in table.rows}
    lead = f"{figures.CHAMPION} less unet-wiener"
    assert found[lead, "0"].startswith("-0.25 [")
    assert found[lead, "1"].startswith("0.50 [")
    assert found[f"{lead}-small", "1"] == "absent"
    said = {line.set_name: line.holds for line in checked.claims(outcome) if "leads unet-wiener in PSNR" in line.claim}
    assert said == {"random, seed 0": "NO", "random, seed 1": "yes", "limesdr": "yes"}


def test_samples_and_truth_are_held_against_their_limits():
    def one(*means):
        return tuple(Estimate(mean=mean, low=None, high=None) for mean in means)

    def holds(chi2, covered, truth=(1.25, 1.1, 1.0, 1.0)):
        drawn = figures.Samples("some", 6, 19, 20, one(*chi2), one(*truth), one(*covered), 0.1, 0.1, 40.0, 39.0)
        outcome = figures.Outcome({}, samples=drawn, truth={"random": one(*truth)})
        return [line.holds for line in checked.claims(outcome)]

    right = (0.5, 0.8, 0.95)
    assert holds((1.3, 1.02, 1.0, 1.0), right) == ["yes", "yes", "yes"]
    assert holds((1.36, 1.02, 1.0, 1.0), right) == ["yes", "NO", "yes"]
    assert holds((1.25, 1.1, 1.0, 1.0), (0.5, 0.76, 0.95)) == ["yes", "yes", "NO"]
    assert holds((1.25, 1.2, 1.0, 1.0), right, truth=(1.25, 1.2, 1.0, 1.0)) == ["NO", "yes", "yes"]
