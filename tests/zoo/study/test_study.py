"""A study: what is written wrong is one line, tables follow from the scores, and it goes on where it stopped."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xsim.errors import InputError, MissingFileError
from xsim_cli.app import main
from xsim_datasets.store.reader import PairStore
from xsim_zoo.evaluation.records import ImageScore
from xsim_zoo.study import carry_out as module
from xsim_zoo.study.carry_out import carry_out, runs_of
from xsim_zoo.study.plan import load_study
from xsim_zoo.study.stores import noise_free
from xsim_zoo.study.table import joined, tabled
from xsim_zoo.training.finishing import power
from xsim_zoo.training.sources.joined import in_equal_shares
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
name = "first"
data = "pairs.zarr"
seeds = [0, 3]
reference = "plain"

[train]
size = "tiny"
steps = 2
batch = 1
crops = 1
patch = 32
validate_images = 1
spectrum_images = 2

[[rows]]
name = "wiener"
restorer = "wiener"

[[rows]]
name = "together"
restorer = "unet-wiener"
start = "plain"
train = { steps = 1 }

[[rows]]
name = "plain"
restorer = "unet-wiener"
run = { link = true }

[[sets]]
name = "held-out"
data = "pairs.zarr"
"""


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("steps = 2\n", "stepz = 2\n", "row 'together': unknown training setting 'stepz': did you mean steps"),
        ('restorer = "wiener"', 'restorer = "weiner"', "row 'wiener': unknown restorer 'weiner': did you mean wiener"),
        ("link = true", "lonk = true", "row 'plain': unknown option of a restorer 'lonk'"),
        ('start = "plain"', 'start = "wiener"', "starts from 'wiener': give a trained row of the same restorer"),
        ('start = "plain"', 'start = "together"', "row 'together' starts from itself"),
        ('name = "wiener"', 'name = "plain"', "row 'plain' stands twice"),
        ('name = "wiener"', 'name = "../wiener"', "rows.0.name"),
        ('name = "wiener"', 'name = "Plain"', "rows 'Plain' and 'plain' are one file on Windows and macOS: rename one"),
        ('name = "held-out"', 'name = "aux"', "set 'aux': no file can be called so on Windows"),
        ('reference = "plain"', 'reference = "plane"', "did you mean plain"),
        ("seeds = [0, 3]", "seeds = [3, 3]", "a seed stands twice"),
        ("seeds = [0, 3]", "seeds = []", "seeds"),
        ('restorer = "wiener"', 'restorer = "wiener"\ntrain = { steps = 3 }', "wiener does not learn"),
        ('data = "pairs.zarr"\nseeds', 'date = "pairs.zarr"\nseeds', "data: Field required"),
        ("[[sets]]", "[[sets]", "is no TOML"),
    ],
)
def test_what_is_written_wrong_is_one_line(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert before in TEXT
    with pytest.raises(InputError) as end:
        load_study(written(tmp_path, TEXT.replace(before, after, 1)))
    said = str(end.value)
    assert words in said
    assert "\n" not in said
    assert said.startswith(f"{tmp_path / 'study.toml'}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        load_study(tmp_path / "study.toml")


def test_rows_are_trained_after_what_they_go_on_from(tmp_path: Path) -> None:
    study = load_study(written(tmp_path))
    runs = runs_of(study, tmp_path / "out")
    assert list(runs) == [("plain", 0), ("plain", 3), ("together", 0), ("together", 3)]
    assert study.settings(study.rows[1], 3).model_dump()["steps"] == 1
    assert study.settings(study.rows[2], 3).seed == 3
    assert study.data == str(tmp_path / "pairs.zarr")


def score(row: str, sample: int, family: str, psnr_dB: float) -> ImageScore:
    return ImageScore(
        restorer=row, sample=sample, family=family, design="", setup=0, kerma_uGy=None, psnr_dB=psnr_dB, ssim=0.9,
        rmse=0.0, bias=0.0, band_lp_mm=(), chi2=(), unsupported=0.0, grey_residual=0.0, reference_power=(),
        power_ratio=(), transfer=(), outside=0.0, seconds=0.0,
    )  # fmt: skip


def test_tables_hold_means_over_seeds_and_intervals_over_boards() -> None:
    families = ["a", "a", "b", "c"]
    plain = [[score("p", i, f, value) for i, (f, value) in enumerate(zip(families, row, strict=True))]
             for row in ([30.0, 32.0, 34.0, 36.0], [31.0, 33.0, 35.0, 37.0])]  # fmt: skip
    better = [[one.model_copy(update={"psnr_dB": one.psnr_dB + 0.5}) for one in scores] for scores in plain]
    by_seed = {"plain": dict(enumerate(plain)), "better": dict(enumerate(better))}
    table = tabled("t", {"x_1": by_seed}, reference="plain", resamples=500)
    cells = {(cell.row, cell.metric): cell for cell in table.cells}
    cell = cells["plain", "psnr_dB"]
    assert (cell.mean.mean, cell.seeds, cell.images, cell.families) == (33.5, 2, 4, 3)
    assert cell.over_seeds == pytest.approx(np.std([33.0, 34.0], ddof=1))
    assert cell.mean.low is not None
    assert cell.mean.low < 33.5
    lead = cells["better", "psnr_dB"].lead
    assert lead is not None
    assert (lead.mean, lead.low, lead.high) == pytest.approx((0.5, 0.5, 0.5))
    lines = list(csv.DictReader(table.csv().splitlines()))
    assert [(line["row"], line["metric"]) for line in lines][:2] == [("plain", "psnr_dB"), ("plain", "ssim")]
    assert float(lines[2]["lead"]) == pytest.approx(0.5)
    assert "| better | 34.00 [" in table.markdown()
    assert "+0.50 [+0.50, +0.50]" in table.markdown()
    latex = table.latex()
    assert latex.count(r"\begin{tabular}{lrrrr}") == latex.count(r"\end{tabular}") == 1
    assert r"better & $34.00\,[" in latex


def test_rows_are_compared_by_the_seeds_that_both_have() -> None:
    """A row of one seed against one of three: the luck of the other two is not its lead."""
    plain = {seed: [score("p", 0, "a", 30.0 + seed), score("p", 1, "b", 32.0 + seed)] for seed in (0, 1, 2)}
    once = {1: [score("o", 0, "a", 31.5), score("o", 1, "b", 33.5)]}
    fixed = {None: [score("f", 0, "a", 30.0), score("f", 1, "b", 32.0)]}
    found = {"plain": plain, "once": once, "fixed": fixed}
    told = tabled("t", {"x": found}, reference="plain", resamples=100, part="told")
    cells = {cell.row: cell for cell in told.cells if cell.metric == "psnr_dB"}
    leads = {row: None if cell.lead is None else cell.lead.mean for row, cell in cells.items()}
    assert leads == {"plain": 0.0, "once": 0.5, "fixed": -1.0}
    other = tabled("t", {"x": {"fixed": fixed}}, reference=None, resamples=100, part="untold")
    both = joined("t", None, [told, other])
    assert [line.partition(" |")[0] for line in both.markdown().splitlines() if line.startswith("#")] == [
        "### told: x",
        "### untold: x",
    ]
    assert both.latex().count(r"\begin{tabular}{lrr}") == 1
    lines = list(csv.DictReader(both.csv().splitlines()))
    assert [(line["table"], line["row"]) for line in lines if line["metric"] == "ssim"][2:] == [
        ("told", "fixed"),
        ("untold", "fixed"),
    ]


MORE = """
[[rows]]
name = "flipped"
restorer = "unet-wiener"
weights_of = "plain"
run = { flips = true }

[[rows]]
name = "elsewhere"
restorer = "unet-wiener"
data = "own"
start = "plain"
seeds = [3]

[stores.own]
recipe = "tiny"
n = 12
size_px = 64
seed = 7
imaging = { kvp = 60.0 }

[[tables]]
name = "first"
rows = ["wiener", "plain", "flipped"]
reference = "plain"

[[tables]]
name = "second"
rows = ["elsewhere", "plain"]
sets = ["held-out"]
"""


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('weights_of = "plain"', 'weights_of = "wiener"', "takes the weights of 'wiener': give a trained row of the"),
        ('weights_of = "plain"', 'weights_of = "plain"\nseeds = [0]', "of a training, and it is given weights"),
        ("seeds = [3]", "seeds = [4]", "starts from 'plain', which has no seed 4"),
        ("seeds = [3]", 'finish = "temperature"', "unet-wiener draws no samples with a temperature"),
        ('run = { flips = true }\n', '\n[[rows]]\nname = "x"\nrestorer = "unet"\nfinish = "power"\n', "needs data"),
        ('recipe = "tiny"', 'recipe = "tinny"', "stores.own: unknown recipe 'tinny': did you mean tiny"),
        ("{ kvp = 60.0 }", "{ kvq = 60.0 }", "stores.own: tiny: unknown key 'imaging.kvq'"),
        ("kvp = 60.0 }", "kvp = 60.0 }\nsize = 64", "stores.own.size: Extra inputs"),
        ('"plain", "flipped"]', '"plane", "flipped"]', "table 'first': unknown row 'plane': did you mean plain"),
        ('reference = "plain"\n\n[[tables]]', 'reference = "elsewhere"\n\n[[tables]]', "unknown reference 'elsewhere'"),
        ('sets = ["held-out"]', 'sets = ["heldout"]', "unknown set 'heldout': did you mean held-out"),
        ('name = "second"', 'name = "first"', "table 'first' stands twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_stores_and_tables_is_one_line(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert before in MORE
    with pytest.raises(InputError) as end:
        load_study(written(tmp_path, TEXT + MORE.replace(before, after, 1)))
    assert words in str(end.value)
    assert "\n" not in str(end.value)


def test_a_set_in_no_table_and_a_section_that_is_none_are_refused(tmp_path: Path) -> None:
    alone = MORE.replace('reference = "plain"\n\n[[tables]]', 'sets = ["held-out"]\n\n[[tables]]')
    with pytest.raises(InputError, match="set 'more' is in no table"):
        load_study(written(tmp_path, TEXT + alone + '[[sets]]\nname = "more"\ndata = "own"\n'))
    with pytest.raises(InputError, match="unknown section 'powr': did you mean power"):
        load_study(written(tmp_path, TEXT.replace("[train]", 'sections = ["powr"]\n[train]', 1)))


def test_rows_take_data_seeds_and_weights_of_their_own(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, TEXT + MORE))
    runs = runs_of(study, tmp_path / "out")
    assert [key for key in runs if key[0] == "elsewhere"] == [("elsewhere", 3)]
    assert not [key for key in runs if key[0] == "flipped"]
    rows = study.by_name
    assert study.trained_as(rows["flipped"]) == rows["plain"]
    assert (rows["elsewhere"].data, study.data) == ("own", str(tmp_path / "pairs.zarr"))
    assert [row.name for row in study.judged_on("held-out")] == ["wiener", "plain", "flipped", "elsewhere"]
    assert study.stores["own"].whole_recipe().imaging.kvp == 60.0


def test_a_row_may_learn_from_several_stores(tmp_path: Path) -> None:
    both = MORE.replace('data = "own"', 'data = ["own", "pairs.zarr"]', 1)
    assert both != MORE
    study = load_study(written(tmp_path, TEXT + both))
    row = study.by_name["elsewhere"]
    assert study.places_of(row) == ("own", str(tmp_path / "pairs.zarr"))
    assert study.places_of(study.by_name["plain"]) == (str(tmp_path / "pairs.zarr"),)
    with pytest.raises(InputError, match="needs data of the study's own"):
        load_study(written(tmp_path, TEXT + both.replace("seeds = [3]", 'finish = "power"', 1)))


def test_a_row_of_two_stores_is_trained_and_its_power_is_measured_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "measure_error_share", lambda *images: 0.25)  # of nothing: networks are not trained
    two = """
[stores.one]
recipe = "tiny"
n = 12
size_px = 64
[stores.other]
recipe = "tiny"
n = 12
size_px = 64
seed = 4
imaging = { kvp = 60.0 }
"""
    text = TEXT.partition("[[rows]]")[0].replace("pairs.zarr", "one").replace("seeds = [0, 3]", "seeds = [0]") + two
    row = '[[rows]]\nname = "plain"\nrestorer = "unet-wiener"\ndata = ["one", "other"]\nfinish = "power"\n'
    study = load_study(written(tmp_path, text + row + '[[sets]]\nname = "held-out"\ndata = "one"\n'))
    carry_out(study, tmp_path / "out", device="cpu", workers=1)
    card = load_checkpoint(tmp_path / "out" / "runs" / "plain-seed0").card
    assert card.data["name"] == "one, other"
    assert card.data["setups"] == 2
    assert card.options["error_share"] == 0.25
    stores = [PairStore.open(str(tmp_path / "out" / "data" / f"{name}.zarr")) for name in ("one", "other")]
    pairs = in_equal_shares(stores)
    anew = noise_free(pairs, list(study.stores.values()))
    for index in (0, len(stores[0].indices("train")), *map(int, pairs.indices("validation"))):
        hr, _ = pairs.read_batch([index])
        assert np.corrcoef(anew(index)[0].ravel(), hr[0].ravel())[0, 1] > 0.99, "the same object"


def test_a_folder_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Keys that came later are not there: they have their defaults."""
    study = load_study(written(tmp_path))
    content = study.model_dump(mode="json")
    for key in ("stores", "tables", "sections"):
        del content[key]
    for row in content["rows"]:
        for key in ("weights_of", "data", "seeds", "finish"):
            del row[key]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "study.json").write_text(json.dumps(content))
    module._begin(study, tmp_path / "out")
    with pytest.raises(InputError, match="holds a study with another seeds"):
        module._begin(study.model_copy(update={"seeds": (5,)}), tmp_path / "out")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    main(["dataset", "make", "tiny", "-n", "12", "--size", "64", "--seed", "2", "-o", str(tmp_path / "pairs.zarr")])
    return tmp_path


def test_a_study_goes_on_where_it_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = load_study(written(folder))

    def dies(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "finetune", dies)
        with pytest.raises(KeyboardInterrupt):
            carry_out(study, folder / "out", device="cpu", workers=1)
    trained = (folder / "out" / "runs" / "plain-seed3" / "weights.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    main(
        [
            "zoo",
            "study",
            str(folder / "study.toml"),
            "-o",
            str(folder / "out"),
            "--workers",
            "1",
            "--device",
            "cpu",
            "--json",
        ]
    )
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "xsim.zoo.study/1"
    assert (folder / "out" / "runs" / "plain-seed3" / "weights.safetensors").stat().st_mtime_ns == trained
    rows = [cell["row"] for cell in document["cells"] if cell["metric"] == "psnr_dB"]
    assert rows == ["lr", "wiener", "together", "plain"]
    by_row = {cell["row"]: cell for cell in document["cells"] if cell["metric"] == "psnr_dB"}
    assert [by_row[row]["seeds"] for row in rows] == [1, 1, 2, 2]
    assert by_row["wiener"]["mean"]["mean"] > by_row["lr"]["mean"]["mean"]
    assert by_row["plain"]["lead"]["mean"] == 0.0
    assert {path.name for path in (folder / "out").glob("table.*")} == {
        "table.csv",
        "table.json",
        "table.md",
        "table.tex",
    }
    # The same file again trains nothing; another study is not mixed in.
    again = carry_out(study, folder / "out", device="cpu", workers=1)
    assert [cell.mean.mean for cell in again.cells] == [cell["mean"]["mean"] for cell in document["cells"]]
    with pytest.raises(InputError, match="holds a study with another seeds"):
        carry_out(study.model_copy(update={"seeds": (0,)}), folder / "out")
    with pytest.raises(InputError, match="holds no study"):
        carry_out(study, folder / "pairs.zarr")
