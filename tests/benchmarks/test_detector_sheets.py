"""Sheets measured on shots of the whole imaging chain are the sheets of the detectors that made them."""

from __future__ import annotations

import pytest

sheets = pytest.importorskip("detector_sheets")


@pytest.mark.slow
@pytest.mark.parametrize("pitch_mm", [0.025, 0.05, 0.1, 0.2])
def test_simulated_shots_give_the_models_sheet(pitch_mm):
    """SRb within one element, iSRb within 5 %, SNRn within 3 %, of two screens at each pitch."""
    for row in sheets.compare(pitch_mm, (33.91, 134.55)):
        assert row.holds, "\n".join(sheets.table([row]))
        assert abs(row.error("dsnrn_1mGy")) < 0.05
        assert abs(row.error("csa_percent")) < 0.08
