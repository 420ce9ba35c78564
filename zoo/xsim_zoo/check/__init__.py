"""May a restored image be trusted? Its consistency with the measurement, and the verdict."""
