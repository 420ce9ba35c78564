"""Parts of the headline comparison: test sets, contenders, scores, tables and the picture."""
