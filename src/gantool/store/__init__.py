"""A cache of decoded and scaled training images, shared by all processes of a training run."""
