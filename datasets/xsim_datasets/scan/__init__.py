"""Scans in files: stacks of views with their geometry, scenarios of CTSimU, detectors of aRTist."""
