"""``xsim view``: the reports of a folder, and the whole job of restoring, in a browser on this machine alone."""
