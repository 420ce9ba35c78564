"""``xsim zoo``: restorers listed, trained, finetuned, run, evaluated, exported and studied."""

from xsim_cli.zoo.commands import app as app
