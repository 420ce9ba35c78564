"""One page for each radiograph that was restored, to look at, to print and to file; and one table for a batch."""
