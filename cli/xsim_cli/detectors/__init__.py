"""``xsim detectors``: detector files by name, and what is known of one."""
