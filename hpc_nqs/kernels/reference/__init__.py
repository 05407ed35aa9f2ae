"""NumPy twins of the compiled kernels, same names and arguments; for tests and comparisons only."""
