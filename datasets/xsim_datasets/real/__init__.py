"""Real pairs: corrected, averaged and registered into a store."""
