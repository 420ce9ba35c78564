"""Judge restorers on held-out pairs: an evaluation whose every number states its interval and its origin."""
