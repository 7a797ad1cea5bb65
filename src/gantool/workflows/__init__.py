"""One module per command: what ``gantool VERB`` does, as Python functions."""
