"""Side-by-side benchmarks: both sides measured alternately in one process, so that a busy machine slows both."""
