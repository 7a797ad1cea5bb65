"""What can be trained: one folder per method, and a table of them in `gantool.methods.registry`."""
