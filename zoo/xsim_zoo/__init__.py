"""A zoo of X-ray image restorers: training, inference, evaluation, weights."""
