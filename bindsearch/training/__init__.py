"""Training: makes the weights that the compact space ships. Needs the extra ``train`` (torch)."""
