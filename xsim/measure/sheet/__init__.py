"""Detector data sheets in the manner of ASTM E2597, and periodic checks against them in the manner of E2737."""

from xsim.measure.sheet.bad_pixels import BadPixels, bad_pixels
from xsim.measure.sheet.dose import DoseSNR, Efficiency, dose_snr, efficiency
from xsim.measure.sheet.lag import Lag, image_lag
from xsim.measure.sheet.model import sheet_of_model
from xsim.measure.sheet.scatter import InternalScatter, internal_scatter
from xsim.measure.sheet.sheet import FIGURES, Sheet, read_figures, write_sheet
from xsim.measure.sheet.stability import LIMITS, Check, Trend, append_check, compare, read_log, trends
from xsim.measure.sheet.wedge import StepWedge, read_wedge

__all__ = [
    "FIGURES",
    "LIMITS",
    "BadPixels",
    "Check",
    "DoseSNR",
    "Efficiency",
    "InternalScatter",
    "Lag",
    "Sheet",
    "StepWedge",
    "Trend",
    "append_check",
    "bad_pixels",
    "compare",
    "dose_snr",
    "efficiency",
    "image_lag",
    "internal_scatter",
    "read_figures",
    "read_log",
    "read_wedge",
    "sheet_of_model",
    "trends",
    "write_sheet",
]
