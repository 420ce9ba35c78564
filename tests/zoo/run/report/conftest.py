"""A radiograph with a hostile description, restored in a way that fails its check, with a spread; and its page."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from tests.zoo.conftest import PITCH_MM, board, closed_form, degrade, power_law
from xsim_datasets.images import read_image
from xsim_zoo.process.physics import Physics
from xsim_zoo.run.files import FileRestorer
from xsim_zoo.run.jobs import FileJob, read_record
from xsim_zoo.run.report.page import html
from xsim_zoo.run.restore import restore
from xsim_zoo.run.settings import RunSettings
from xsim_zoo.weights.loading import build

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "x<img src=x onerror=alert(1)>"
DESCRIPTION = "</script><script>alert('owned')</script>&amp; more"
SETTINGS = RunSettings(open_field=50_000.0, polarity="metal-dark")


def write_lr(path: Path, *, shape: tuple[int, int] = (170, 150), seed: int = 3, **more: Any) -> Path:
    y = degrade(board(seed, shape), Physics(closed_form(), power_law()), seed)
    grey = np.rint(y * 50_000).clip(0, 65535).astype(np.uint16)
    per_cm = 10 / PITCH_MM
    tifffile.imwrite(path, grey, metadata=None, resolution=(per_cm, per_cm), resolutionunit=3, **more)
    return path


@pytest.fixture(scope="session")
def wiener() -> Any:
    return build("wiener", Physics(closed_form(), power_law()))


@pytest.fixture(scope="session")
def made(wiener: Any, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return a run with a page: its job, record, page and result."""
    folder = tmp_path_factory.mktemp("made")
    job = FileJob(write_lr(folder / f"{HOSTILE}.tif", description=DESCRIPTION), folder / "out" / f"{HOSTILE}.tif")
    FileRestorer(wiener, SETTINGS, report=True)(job)
    result = restore(wiener, job.input, SETTINGS)
    return SimpleNamespace(job=job, record=read_record(job.record), page=job.report, result=result)


@pytest.fixture(scope="session")
def suspicious(made: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return the same with a spread, a place that fails, and its page."""
    from xsim_zoo.check.verdict import Suspect

    spread = np.linspace(0.0, 0.05, made.result.image.size, dtype=np.float32).reshape(made.result.image.shape)
    chi2 = made.result.consistency.map.copy()
    chi2[10, 9] = 9.0
    suspects = (Suspect((1.0, 2.0), 84, 76, 9.0, 0.01), Suspect((2.0, 4.0), 90, 70, 4.0, 0.02))
    consistency = replace(made.result.consistency, suspects=suspects, map=chi2)
    result = replace(made.result, std=spread, consistency=consistency)
    record = {**made.record, "entry": {**made.record["entry"], "consistency": consistency.to_dict()}}
    page = tmp_path_factory.mktemp("suspicious") / "page.html"
    page.write_text(html(result, record), encoding="utf-8")
    return SimpleNamespace(result=result, record=record, page=page)


@pytest.fixture(scope="session")
def grey(made: SimpleNamespace) -> SimpleNamespace:
    """Return the grey levels of both files as numpy reads them."""
    return SimpleNamespace(before=read_image(made.job.input).pixels, after=read_image(made.job.output).pixels)
