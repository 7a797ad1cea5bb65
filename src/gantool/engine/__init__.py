"""Training: one loop for all methods, on any number of devices, that can be stopped and resumed exactly."""
