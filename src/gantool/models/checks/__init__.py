"""Looking into files that could hold code before torch does."""
