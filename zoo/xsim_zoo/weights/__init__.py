"""Weights on disk with their cards, those that are shipped, and how a name becomes a restorer."""
