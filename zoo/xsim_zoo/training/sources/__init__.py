"""Sources of pairs that are made of others."""
