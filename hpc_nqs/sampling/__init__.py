"""Markov chains, exact sums and what is evaluated on them."""
