"""The backbone of every learned restorer, whole, in tiles, and exported."""
