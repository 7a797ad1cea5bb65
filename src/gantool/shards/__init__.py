"""Images in tar files (shards) that are read in place, with an index of their positions."""
