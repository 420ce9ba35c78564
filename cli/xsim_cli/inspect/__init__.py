"""``xsim inspect``: what an inspector asks of a radiograph."""
