"""``xsim calibrate``: two detectors and what lies between them, or one detector from whatever there is of it."""

from xsim_cli.calibrate.commands import app as app
