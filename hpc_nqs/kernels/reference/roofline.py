"""Twins of the loops that measure a processor, in NumPy."""


def multiply_adds(values, factor, summand, n_rounds):
    """Replace every value by value * factor + summand, n_rounds times, *in place*."""
    for _ in range(n_rounds):
        values[:] = values * factor + summand


def triad(b, c, factor, a):
    """Write b + factor c to `a`."""
    a[:] = b + factor * c


def instruction_sets():
    """Return (names of the instruction sets, the one in use): NumPy's own choice."""
    return ["numpy"], "numpy"
