"""Images in tar files (shards) that are read where they lie, with an index that says where."""
