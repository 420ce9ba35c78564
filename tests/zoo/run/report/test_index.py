"""The table of many radiographs: the worst first, links from where files lie, whatever records say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from xsim.errors import InputError
from xsim_zoo.run.jobs import RECORD_SCHEMA, FileJob
from xsim_zoo.run.report.index import check_index, index_path, rows_of, write_index
from xsim_zoo.run.report.judgement import judged

if TYPE_CHECKING:
    from pathlib import Path


def checked(*, consistent: Any = True, condition: str = "", chi2: Any = (0.9,), suspects: Any = ()) -> dict[str, Any]:
    return {
        "verdict": "a verdict",
        "consistent": consistent,
        "condition": condition,
        "band_lp_mm": [[0.3, 1.0]],
        "chi2": list(chi2),
        "suspects": list(suspects),
        "noise_factor": 1.0,
    }


def suspect(chi2: float) -> dict[str, Any]:
    return {"band_lp_mm": [0.3, 1.0], "y": 1, "x": 2, "chi2": chi2, "share": 0.1}


def keep(folder: Path, name: str, found: Any, *, page: bool = True, entry: Any = None) -> Path:
    path = folder / f"{name}.json"
    entry = {"consistency": found, "shape": [3, 4], "pitch_mm": 0.1, "seconds": 2.0} if entry is None else entry
    path.write_text(json.dumps({"schema": RECORD_SCHEMA, "entry": entry, "identity": {"restorer": "wiener"}}))
    if page:
        (folder / f"{name}.html").write_text("<p>a page")
    return path


def test_the_worst_stands_first(tmp_path: Path) -> None:
    records = [
        keep(tmp_path, "good.tif", checked(chi2=(0.5,))),
        keep(tmp_path, "worse.tif", checked(consistent=False, suspects=[suspect(4.0)], chi2=(9.0,))),
        keep(tmp_path, "open.tif", {**checked(consistent=False), "judged": False, "doubts": ["a guess"]}),
        keep(tmp_path, "if.tif", checked(condition="it is so", chi2=(30.0,))),
        keep(tmp_path, "worst.tif", checked(consistent=False, suspects=[suspect(80.0)])),
        keep(tmp_path, "better.tif", checked(chi2=(0.4,))),
    ]
    rows = rows_of(records, tmp_path)
    assert [row.name for row in rows] == ["worst.tif", "worse.tif", "open.tif", "if.tif", "good.tif", "better.tif"]
    assert [row.judgement.level for row in rows] == ["fail", "fail", "open", "warn", "pass", "pass"]
    assert rows[1].chi2 == 4.0
    assert rows[0].where == "y 1, x 2; 0.3 to 1 lp/mm"


@pytest.mark.parametrize(
    "found", [{}, {"consistent": "yes"}, {"consistent": 1}, {"consistent": None, "verdict": "good"}]
)
def test_what_is_not_said_to_be_good_is_not_shown_as_good(found: dict[str, Any]) -> None:
    assert judged(found).level == "fail"
    assert judged({**found, "judged": False}).level == judged({**found, "judged": "yes"}).level == "open"


HOSTILE: list[Any] = [
    [],
    "text",
    3,
    {"consistency": [1, 2]},
    {"consistency": {"chi2": "x", "suspects": [3, {"y": "a", "chi2": None}], "band_lp_mm": [[1], 2]}},
    {"consistency": {"suspects": [{"y": 1e400, "x": -1e400, "chi2": 1e400, "share": {}, "band_lp_mm": "ab"}]}},
    {"shape": ["a", None], "pitch_mm": {}, "seconds": "long"},
    {"report": "../../../etc/passwd", "output": "javascript:alert(1)", "consistency": {"verdict": {"a": 1}}},
]


@pytest.mark.parametrize("entry", HOSTILE)
def test_records_of_other_hands_break_nothing(tmp_path: Path, entry: Any) -> None:
    keep(tmp_path, "x.tif", None, entry=entry)
    path = write_index(tmp_path / "index.html", [FileJob(tmp_path / "in.tif", tmp_path / "x.tif")])
    text = path.read_text(encoding="utf-8")
    assert "passwd" not in text
    assert "javascript:" not in text


def test_names_are_text_and_links_are_quoted(tmp_path: Path) -> None:
    name = 'javascript:alert(1)"><script>x<.tif'
    keep(tmp_path, name, checked())
    keep(tmp_path, "bare.tif", checked(), page=False)
    job = FileJob(tmp_path / "in.tif", tmp_path / name)
    failed = [{"input": "<b>.tif", "error": "<i>: bad"}]
    text = write_index(tmp_path / "index.html", [job], failed).read_text(encoding="utf-8")
    assert '<a href="./javascript%3Aalert%281%29%22%3E%3Cscript%3Ex%3C.tif.html">' in text
    assert "<script>x" not in text
    assert "&lt;i&gt;: bad" in text
    assert text.count("<a href") == 1


def test_an_index_of_ours_is_made_anew_and_a_page_of_others_stays(tmp_path: Path) -> None:
    job = FileJob(tmp_path / "in.tif", tmp_path / "a.tif")
    keep(tmp_path, "a.tif", checked())
    path = write_index(tmp_path / "index.html", [job])
    keep(tmp_path, "b.tif", checked())
    assert "b.tif" in write_index(path, [job]).read_text(encoding="utf-8")
    path.write_text("<p>my own pages")
    with pytest.raises(InputError, match="exists already and is no index"):
        check_index(path)
    with pytest.raises(InputError, match="exists already"):
        write_index(path, [job])
    assert path.read_text() == "<p>my own pages"
    write_index(path, [job], force=True)


def test_the_index_goes_where_all_results_are(tmp_path: Path) -> None:
    jobs = [FileJob(tmp_path / "a" / "1.tif", tmp_path / "a" / "1_restored.tif")]
    assert index_path(jobs, None) == tmp_path / "a" / "index.html"
    jobs.append(FileJob(tmp_path / "b" / "2.tif", tmp_path / "b" / "2_restored.tif"))
    assert index_path(jobs, None) == tmp_path / "index.html"
    assert index_path(jobs, tmp_path / "out") == tmp_path / "out" / "index.html"
