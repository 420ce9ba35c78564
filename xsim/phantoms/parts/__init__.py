"""Components: what stands on a board, its lands, its joints and what may be wrong with them."""
