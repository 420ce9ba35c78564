"""Restorers by name, behind one interface."""
