"""From an image of any size to its translation or label map, with whatever runs the model, without training."""
