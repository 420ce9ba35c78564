"""Parts of `make bench`: every area's rows in small form, and the one table."""
