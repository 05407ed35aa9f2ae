"""The equations S x = -F of stochastic reconfiguration and their solvers."""
