"""Groups of site permutations and quantum numbers."""
