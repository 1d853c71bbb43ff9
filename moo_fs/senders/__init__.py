"""Ways of getting features, or what takes their place, to the server: each yields points of one curve over bytes."""
