"""HR/LR pairs in zarr: recipes, writing, reading, manifests, real images."""
