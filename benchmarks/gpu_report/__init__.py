"""What `benchmarks/gpu.py` consists of: the report, the clock, the loops it times, and the parts it runs."""
