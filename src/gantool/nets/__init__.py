"""Networks as plain ``torch.nn`` modules, built from flat keywords."""
