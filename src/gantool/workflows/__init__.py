"""One room per verb of the command line: what ``gantool VERB`` does, as Python functions."""
