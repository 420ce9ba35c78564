"""The headline's test sets, figures and claims say what they should of scores whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.zoo.evaluation.example import example_evaluation
from xsim.errors import InputError, MissingFileError, UnknownNameError
from xsim_zoo.evaluation import Options, evaluate
from xsim_zoo.evaluation.records import ImageScore
from xsim_zoo.evaluation.results import section_names

headline = pytest.importorskip("headline")
seeds = pytest.importorskip("seeds")
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
    """Return an evaluation of these scores alone."""
    labels = tuple(dict.fromkeys(score.restorer for score in scores))
    bare = example_evaluation(labels, absent=dict.fromkeys(section_names(), "not needed"))
    return bare.model_copy(update={"images": scores})


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


def test_a_set_is_data_of_an_evaluation(tmp_path):
    one = sets.TestSet("shapes", "paper", 2, tmp_path)
    rows, _ = headline.competitors({})
    asked = [row for row in headline.asked_on(one, rows, None) if row.label in {"LR", "wiener", "wiener, LR grey"}]
    found = evaluate(asked, one, Options(sections=("power", "chi2", "differences"), seed=sets.SEED), workers=1)
    psnr = found.means("psnr_dB")
    # The link brings LR to HR grey, and leaving an answer in LR grey costs what it is worth.
    assert psnr["wiener"] > psnr["LR"] > psnr["lr"]
    assert psnr["wiener"] > psnr["wiener, LR grey"] + 3
    assert found.provenance.settings["reference of power"] == "HR simulated without noise"
    text = "".join(table.markdown() for table in tables.tables({("shapes", "paper"): found}, None, []))
    assert "| wiener, LR grey | " in text


def test_other_detectors_are_asked_as_known_and_as_told(tmp_path):
    rows, _ = headline.competitors({})
    asked = {
        one.label: one for one in headline.asked_on(sets.TestSet("detectors", "dose x 4", 1, tmp_path), rows, None)
    }
    assert asked["unet"].detectors == "own"
    assert asked["unet, told"].detectors == "told"
    assert "physics-sde N=3, told" in asked
    assert "physics-sde N=1" not in asked


def test_weights_are_named_and_labels_may_hold_anything():
    found = headline.parse_weights(["unet=runs/unet", "unet, no link=runs/plain"])
    assert found == {"unet": "runs/unet", "unet, no link": "runs/plain"}
    with pytest.raises(InputError, match="NAME=PATH"):
        headline.parse_weights(["runs/unet"])


def test_differences_are_paired_by_image():
    # The boards differ by 30 dB, the lead is one dB on each of them.
    scores = [scored(figures.CHAMPION, n, psnr_dB=30.0 + 10 * n) for n in range(4)]
    scores += [scored("unet", n, psnr_dB=29.0 + 10 * n, power=0.8) for n in range(4)]
    lead = figures.leads(judged(*scores))["unet"]
    assert lead.psnr_dB.mean == pytest.approx(1.0)
    assert (lead.psnr_dB.low, lead.psnr_dB.high) == pytest.approx((1.0, 1.0))
    assert lead.power.mean == pytest.approx(0.2)


def test_power_is_a_ratio_of_sums():
    found = judged(scored("unet", 0, psnr_dB=30.0, power=1.0), scored("unet", 1, psnr_dB=30.0, power=0.25))
    table = tables.tables({("random", "paper"): found}, None, [])[-1]
    (row,) = table.rows
    power = (1.0 * 1 + 0.25 * 2) / 3
    assert row[3:7] == (f"{power:.2f}",) * 3 + (f"{0.5 * power:.2f}",)


@pytest.mark.parametrize(("other", "says"), [((29.0, 29.0), "yes"), ((29.0, 30.5), "not shown"), ((31.0, 31.0), "NO")])
def test_a_lead_holds_only_with_its_whole_interval(other, says):
    scores = [scored(figures.CHAMPION, n, psnr_dB=30.0) for n in range(2)]
    scores += [scored("unet", n, psnr_dB=value) for n, value in enumerate(other)]
    found = {("random", "paper"): judged(*scores)}
    lines = checked.claims(found, None)
    (line,) = [line for line in lines if "beats unet in PSNR" in line.claim]
    assert line.holds == says
    assert "unet in PSNR" in tables.tables(found, None, lines)[0].markdown()


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
    said = {line.claim: (line.holds, line.found) for line in checked.claims(found, None) if "universal" in line.claim}
    assert [holds for holds, _ in said.values()] == ["yes", "NO", "yes"]
    assert [float(text.split()[0]) for _, text in said.values()] == pytest.approx([-0.2, -1.0, 13.5])
    text = "".join(table.markdown() for table in tables.tables(found, None, []))
    assert f"| {dose} | 42.50 [" in text
    assert "| 0.50 [" in text


def test_intervals_of_an_exchangeable_truth_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((headline.SAMPLES + 1, 200, 200))
    for share in figures.NOMINAL:
        assert headline.covered(drawn[1:], drawn[0], share) == pytest.approx(share, abs=0.01)
    # A posterior that is too sure of itself covers too little.
    assert headline.covered(0.5 * drawn[1:], drawn[0], 0.8) < 0.7


def test_seeds_are_found_in_their_folders_and_leads_are_those_of_one_seed(tmp_path):
    for name in ("physics-sde", "physics-sde-seed2", "unet", "unet-seed2", "unet-wiener", "physics-sde-paper", "cdm"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").touch()
    runs = seeds.runs_in(tmp_path)
    expected = [("physics-sde", 0), ("physics-sde", 2), ("unet-wiener", 0), ("unet", 0), ("unet", 2)]
    assert [(run.restorer, run.seed) for run in runs] == expected
    scores = np.array([[40.0, 0.9], [41.0, 0.9], [40.5, 0.9], [39.0, 0.8], [40.25, 0.8]])
    sde, wiener, unet = seeds.table("random", runs, scores).rows
    assert sde[1:3] == ("0, 2", "40.00, 41.00")
    assert wiener[-1] == "-0.50"
    assert unet[-1] == "+1.00, +0.75"
