"""Models that come with the package; how they were made stands in ``docs/seasons.md``."""
