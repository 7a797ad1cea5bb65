"""Work on many files at once, with the results in order: on threads, or by processes."""
