"""HTML pages that need nothing but themselves: one way to escape, to inline and to forbid the network."""
