"""What of a training is chosen by name, and may come from other packages: loss, optimiser, schedule and so on."""
