"""Model files: which kinds there are, where they are found, how they are read and written."""
