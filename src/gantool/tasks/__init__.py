"""What is learned: one file per method, readable next to its paper."""
