"""Studies: restorers with their settings, seeds and data in one file, trained, judged and tabled by one command."""
