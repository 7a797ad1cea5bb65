"""The kinds of model files, a module each."""
