"""From an image of any size to its translation, with a network that is given; knows nothing of training."""
