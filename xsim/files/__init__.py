"""Files of arrays and settings: written whole or not at all, read without trust."""
