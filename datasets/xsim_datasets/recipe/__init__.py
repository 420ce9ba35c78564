"""Recipes: what a person writes, and the set-ups, boards and pairs that follow from it."""
