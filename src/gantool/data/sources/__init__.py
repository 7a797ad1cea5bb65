"""What a person's data is: found once, in `gantool.data.sources.find`, and asked for by what a caller wants of it."""
