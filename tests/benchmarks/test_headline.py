"""The headline's test sets, figures and verdicts say what they should of scores whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import InputError, MissingFileError, UnknownNameError
from xsim_zoo.evaluation.records import ImageScore

contenders = pytest.importorskip("versus.contenders")
detectors = pytest.importorskip("versus.detectors")
figures = pytest.importorskip("versus.figures")
posterior = pytest.importorskip("versus.posterior")
scoring = pytest.importorskip("versus.scoring")
seeds = pytest.importorskip("seeds")
sets = pytest.importorskip("versus.sets")
tables = pytest.importorskip("versus.tables")
verdicts = pytest.importorskip("versus.verdicts")

RINGS = 20
"""Rings of 0.5 lp/mm up to the Nyquist frequency of the paper's pixels."""


def scored(
    row: str,
    number: int,
    *,
    psnr_dB: float,
    power: float = 1.0,
    set_name: str = "random",
    condition: str = "paper",
    operator: str = "own",
):
    image = ImageScore(
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
    return scoring.Score(set_name, condition, operator, image, psnr_dB - 5, 0.5, 0.1)


def test_sets_hold_what_they_say_and_quick_ones_are_parts_of_them():
    full, quick = sets.cases(sets.SETS), sets.cases(sets.SETS, quick=True)
    assert len(set(full)) == len(full)
    assert set(quick) < set(full)
    assert sum(case.set_name == "random" for case in full) == 48
    assert sum(case.set_name == "limesdr" for case in full) == 24
    with pytest.raises(UnknownNameError, match="test set"):
        sets.cases(["nosuch"])


def test_an_image_is_made_once_and_the_same_again(tmp_path):
    case = sets.Case("shapes", "paper", 1)
    first = sets.image_of(case, tmp_path / "a")
    assert len(list((tmp_path / "a").iterdir())) == 1
    kept, made = sets.image_of(case, tmp_path / "a"), sets.image_of(case, tmp_path / "b")
    for name in ("lr", "hr", "hr_clean"):
        image = getattr(first, name)
        assert image.shape == (320, 320)
        assert np.array_equal(image, getattr(kept, name))
        assert np.array_equal(image, getattr(made, name))
    noise = first.hr - first.hr_clean
    assert 0 < noise.std() < 0.02


def test_a_real_board_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="--gerber"):
        sets.image_of(sets.Case("limesdr", "paper", 0), tmp_path, tmp_path / "nosuch")


def test_doses_show_the_boards_of_the_random_set():
    clusters = {case.cluster for case in sets.cases(["detectors"])}
    assert clusters < {case.cluster for case in sets.cases(["random"])}


def test_weights_are_named_and_labels_may_hold_anything():
    found = contenders.parse_weights(["unet=runs/unet", "unet, no link=runs/plain"])
    assert found == {"unet": "runs/unet", "unet, no link": "runs/plain"}
    with pytest.raises(InputError, match="NAME=PATH"):
        contenders.parse_weights(["runs/unet"])


def test_differences_are_paired_by_image():
    # The boards differ by 30 dB, the lead is one dB on each of them.
    scores = [scored(contenders.CHAMPION, n, psnr_dB=30.0 + 10 * n) for n in range(4)]
    scores += [scored("unet", n, psnr_dB=29.0 + 10 * n, power=0.8) for n in range(4)]
    (lead,) = figures.differences(scores)
    assert lead.psnr_dB.mean == pytest.approx(1.0)
    assert (lead.psnr_dB.low, lead.psnr_dB.high) == pytest.approx((1.0, 1.0))
    assert lead.power.mean == pytest.approx(0.2)


def test_power_is_a_ratio_of_sums():
    scores = [scored("unet", 0, psnr_dB=30.0, power=1.0), scored("unet", 1, psnr_dB=30.0, power=0.25)]
    (found,) = figures.summaries(scores)
    assert found.power[0].mean == pytest.approx((1.0 * 1 + 0.25 * 2) / 3)
    assert found.transfer[0].mean == pytest.approx(0.5 * found.power[0].mean)


@pytest.mark.parametrize(("other", "says"), [((29.0, 29.0), "yes"), ((29.0, 30.5), "not shown"), ((31.0, 31.0), "NO")])
def test_a_lead_holds_only_with_its_whole_interval(other, says):
    scores = [scored(contenders.CHAMPION, n, psnr_dB=30.0) for n in range(2)]
    scores += [scored("unet", n, psnr_dB=value) for n, value in enumerate(other)]
    lines = verdicts.verdicts(figures.summaries(scores), figures.differences(scores), [], [])
    (line,) = [line for line in lines if "beats unet in PSNR" in line.claim]
    assert line.holds == says
    assert "unet in PSNR" in verdicts.verdict_table(lines).markdown()


def test_universal_is_held_against_the_right_model_of_each_condition():
    champion, dose = contenders.CHAMPION, "dose x 4"
    scores = [scored(champion, n, psnr_dB=40.0) for n in range(3)]
    scores += [scored("universal N=3", n, psnr_dB=39.8) for n in range(3)]
    for row, operator, psnr_dB in [
        (champion, "own", 28.0),
        (champion, "right", 41.0),
        ("universal N=3", "own", 10.0),
        ("universal N=3", "right", 41.5),
        (detectors.SPECIALISED, "right", 42.5),
    ]:
        scores += [
            scored(row, n, psnr_dB=psnr_dB + n, set_name="detectors", condition=dose, operator=operator)
            for n in range(3)
        ]
    paper, other = detectors.rivalries(scores)
    assert (paper.condition, other.condition) == ("paper", dose)
    assert paper.over_specialised.mean == pytest.approx(-0.2)
    assert other.over_specialised.mean == pytest.approx(-1.0)
    assert other.over_told.mean == pytest.approx(0.5)
    assert other.over_untold.mean == pytest.approx(13.5)
    said = {line.claim: line.holds for line in detectors.rivalry_verdicts([paper, other])}
    assert list(said.values()) == ["yes", "NO", "yes"]
    assert f"| {dose} | 42.50 [" in detectors.rivalry_table([paper, other]).markdown()


def test_a_set_table_names_every_row():
    scores = [scored(row, n, psnr_dB=30.0 + n) for row in ("LR", "unet") for n in range(3)]
    text = tables.set_table("random", figures.summaries(scores)).markdown()
    assert "| LR | 31.00 [" in text
    assert "| unet | 31.00 [" in text


def test_intervals_of_an_exchangeable_truth_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((posterior.SAMPLES + 1, 200, 200))
    for share in posterior.NOMINAL:
        assert posterior.covered(drawn[1:], drawn[0], share) == pytest.approx(share, abs=0.01)
    # A posterior that is too sure of itself covers too little.
    assert posterior.covered(0.5 * drawn[1:], drawn[0], 0.8) < 0.7


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
