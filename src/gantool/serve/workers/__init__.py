"""The processes that work on images, and what they do with one."""
