"""What the GAN methods share: networks, players, and the settings about them."""
