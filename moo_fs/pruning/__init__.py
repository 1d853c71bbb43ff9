"""Filter pruning: how many filters a layer keeps, and filters really gone from a network."""
