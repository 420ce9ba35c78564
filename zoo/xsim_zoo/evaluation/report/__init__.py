"""The evaluation's report: one HTML page for people, JSON and CSV files for programs."""
