"""A detector: X rays into a phosphor screen, its light onto a sensor, and the figures by which it is known."""
