"""Restorers for other programs: a restoration as one graph, and folders that other zoos take."""
