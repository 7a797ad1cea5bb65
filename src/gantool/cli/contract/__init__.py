"""What all commands have in common: how options are spelled, defaulted, completed, refused and answered in JSON."""
