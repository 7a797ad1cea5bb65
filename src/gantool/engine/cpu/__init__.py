"""What a CPU is spared, for the same results."""
