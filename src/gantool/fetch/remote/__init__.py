"""Files at addresses such as ``s3://`` and ``https://``: parts of them, kept in a cache of a bounded size."""
