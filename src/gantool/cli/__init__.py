"""The command line: signatures and what a person sees. All work is done by the workflows."""
