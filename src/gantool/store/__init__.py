"""Images of a training that are decoded and scaled, kept by all its processes together."""
