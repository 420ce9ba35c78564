"""Phantoms: boards, components, defects and test targets as material thickness maps."""
