"""The program ``xsim``: thin commands over the libraries, and nothing that computes."""
