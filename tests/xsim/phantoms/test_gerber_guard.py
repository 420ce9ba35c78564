"""Gerber and Excellon files that ask for the work of years: one line, in bounded time and memory."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from xsim.errors import InputError
from xsim.phantoms.gerber.parse import read_drills, read_gerber, read_outline_pieces

pytest.importorskip("gerbonara")

HEAD = "%FSLAX46Y46*%\n%MOMM*%\n"
FLASH = "D10*\nX0Y0D03*\nM02*\n"
LONG = "9" * 5000


def macro(*lines: str, given: str = "") -> str:
    body = "*\n".join(lines)
    return f"{HEAD}%AMBAD*\n{body}*%\n%ADD10BAD{given}*%\n{FLASH}"


BAD = {
    "polygon of 0": (f"{HEAD}%ADD10P,1.0X0*%\n{FLASH}", "polygon of 0 corners"),
    "polygon of -5": (f"{HEAD}%ADD10P,1.0X-5*%\n{FLASH}", "polygon of -5 corners"),
    "polygon of 10^9": (f"{HEAD}%ADD10P,1.0X1000000000*%\n{FLASH}", "size 1000000000"),
    "polygon of 5000": (f"{HEAD}%ADD10P,1.0X5000*%\n{FLASH}", "polygon of 5000 corners"),
    "NaN": (f"{HEAD}%ADD10C,nan*%\n{FLASH}", "size nan"),
    "infinite": (f"{HEAD}%ADD10R,1e999X1*%\n{FLASH}", "size 1e999"),
    "long size": (f"{HEAD}%ADD10C,{LONG}*%\n{FLASH}", "size 9999"),
    "long coordinate": (f"{HEAD}%ADD10C,0.1*%\nD10*\nX{LONG}Y0D03*\nM02*\n", "coordinate of 5000 digits"),
    "far away": (f"{HEAD}%ADD10C,0.1*%\nD10*\nX{'9' * 20}Y0D03*\nM02*\n", "beyond 10 m"),
    "divided by zero": (macro("1,1,1/0,0,0"), "division by zero"),
    "divided by a zero variable": (macro("1,1,1/$1,0,0", given=",0"), "division by zero"),
    "missing variable": (macro("1,1,$3,0,0", given=",1.0"), "unresolved parameters"),
    "doubling": (macro(*(f"${k + 1}=${k}+${k}" for k in range(1, 60)), "1,1,$60,0,0", given=",1.0"), "more than"),
    "macro polygon": (macro("5,1,1000000000,0,0,1,0"), "1e+09 corners"),
    "macro polygon by a variable": (macro("5,1,$1x1000000,0,0,1,0", given=",1000"), "1e+09 corners"),
    "rings": (macro("6,0,0,1000,0.0001,0.0001,1000000000,0.1,1,0"), "1e+09 rings"),
    "steps": (
        f"{HEAD}%ADD10C,0.1*%\n%SRX100000Y100000I1.0J1.0*%\nD10*\nX0Y0D03*\n%SR*%\nM02*\n", "repeats 3e+10 shapes"
    ),
    "steps of many digits": (f"{HEAD}%ADD10C,0.1*%\n%SRX{LONG}Y1I1.0J1.0*%\n{FLASH}", "5000 digits"),
    "arc": (
        f"{HEAD}%ADD10C,0.1*%\nD10*\nG75*\nX0Y0D02*\nG03*\nX1000000Y0I0J99999999999999999D01*\nM02*\n",
        "radius of 1e+11 mm",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_layer_that_asks_for_too_much_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.gtl"
    text, says = BAD[name]
    path.write_text(text)
    for read in (read_gerber, read_outline_pieces):
        began = time.process_time()
        if read is read_outline_pieces and name in {"far away"}:
            continue  # what is flashed draws no outline
        with pytest.raises(InputError) as refused:
            read(path)
        assert says in str(refused.value)
        assert str(refused.value).startswith(f"{path}: ")
        assert "\n" not in str(refused.value)
        assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("X0Y0\nR100000000X1.0", "repeats 1e+08 holes"),
        ("X0Y0\n" + "R1000000X1.0\n" * 3, "repeats 3e+06 holes"),
        (f"X{LONG}Y0", "coordinate of 5000 digits"),
        ("X99999999.0Y0.0", "beyond 10 m"),
    ],
)
def test_drills_that_ask_for_too_much_are_refused(tmp_path: Path, body: str, says: str) -> None:
    path = tmp_path / "a.drl"
    path.write_text(f"M48\nMETRIC,TZ,000.000\nT1C0.3\n%\nT1\n{body}\nM30\n")
    with pytest.raises(InputError, match=says.replace("+", r"\+")):
        read_drills(path)


def test_what_boards_have_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gtl"
    lines = ["$2=$1x2", "$3=$2+$1", "5,1,8,0,0,$3,0"]
    path.write_text(macro(*lines, given=",0.5"))
    x0, y0, x1, y1 = read_gerber(path).boxes[0]
    np.testing.assert_allclose((x1 - x0, y1 - y0), 1.5, rtol=0.01)
    path.write_text(f"{HEAD}%ADD10P,1.0X6*%\n{FLASH}")
    assert len(read_gerber(path).shapes) == 1
    # An arc that is nearly straight, as programs write them, is its chord.
    path.write_text(f"{HEAD}%ADD10C,0.1*%\nD10*\nG75*\nX0Y0D02*\nG02*\nX1000000Y0I500000J-99999999999999D01*\nM02*\n")
    boxes = read_gerber(path).boxes
    np.testing.assert_allclose((boxes[:, 0].min(), boxes[:, 2].max()), (-0.05, 1.05), atol=1e-6)
