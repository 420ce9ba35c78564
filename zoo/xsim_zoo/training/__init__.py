"""Training and finetuning: data, batches, the loop, its folder and its validation."""
