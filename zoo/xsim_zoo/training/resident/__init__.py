"""Training where the data lie on the device: codes, tables of all set-ups, batches, figures that are read later."""
