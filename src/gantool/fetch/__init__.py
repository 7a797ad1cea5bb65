"""What comes from outside: downloads, archives and files of weights, checked before anything else sees them."""
