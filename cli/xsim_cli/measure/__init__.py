"""The measuring commands: options and files that they share, and one file for the blind measurement."""
