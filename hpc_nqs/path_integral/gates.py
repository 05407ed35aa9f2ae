"""Short-time gates e^{-tau h} written as hidden units between old (deep) and new (physical) spins.

A gate takes the physical spins s to deep units d and ties d to the new s:  <s|e^{-tau h}|d> = e^{log_prefactor +
sum biases} prod_j 2cosh(sum couplings), exactly: docs/theory/gates.md; G. Carleo, Y. Nomura, M. Imada, Nat. Commun.
9, 5322 (2018).  Where the gate is diagonal the old spins stay physical and there are no deep units.

Slots name the units of a gate: 0, 1 the new spins s1, s2 and 2, 3 the old spins d1, d2 of a bond; for one site 0 is
the new spin and 2 the old one.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Gate:
    """Hidden units of one gate.

    Attributes
    ----------
    n_deep : int
        Spins that the gate turns into deep units: 0 (diagonal), 1 (one site) or 2 (bond).
    hidden : tuple of (tuple of int, tuple of complex)
        Slots and couplings of every hidden unit; hidden biases are zero.
    biases : tuple of (int, complex)
        Slot and bias of units that get one.
    log_prefactor : float
    """

    n_deep: int
    hidden: tuple
    biases: tuple
    log_prefactor: float

    def element(self, spins):
        """Return <s|gate|d> for spins (n, 4) of +1/-1 by slot, complex128 (n,)."""
        spins = np.asarray(spins, dtype=np.float64)
        value = np.full(len(spins), np.exp(complex(self.log_prefactor)))
        for slots, couplings in self.hidden:
            value = value * 2.0 * np.cosh(spins[:, list(slots)] @ np.array(couplings))
        for slot, bias in self.biases:
            value = value * np.exp(bias * spins[:, slot])
        return value


def two_body(exponent, slots):
    """Return ((slots, couplings), log_prefactor) of the hidden unit for e^{exponent s1 s2} (gate 5.0).

    e^{K s1 s2} = (1/2) e^{-|K|} 2cosh[W (s1 + sgn(K) s2)], W = (1/2) arcosh(e^{2|K|}).
    """
    size = abs(exponent)
    # arcosh(x) with x - 1 = expm1(2|K|), which stays accurate for small K
    excess = np.expm1(2.0 * size)
    weight = 0.5 * np.log1p(excess + np.sqrt(excess * (excess + 2.0)))
    return (slots, (weight, weight if exponent >= 0.0 else -weight)), -size - np.log(2.0)


def ising_gate(coupling, tau):
    """Return the diagonal gate e^{-tau c s1 s2} of a bond with coefficient c = `coupling` (gate 5.0)."""
    unit, log_prefactor = two_body(-tau * coupling, (0, 1))
    return Gate(0, (unit,), (), log_prefactor)


def bias_gate(coefficient, tau):
    """Return the diagonal gate e^{-tau h s} of one site: a bias, no hidden unit."""
    return Gate(0, (), ((0, -tau * coefficient),), 0.0)


def flip_gate(element, tau):
    """Return the gate e^{-tau f sigma^x} of a site with coefficient f = `element`, -Gamma in the TFIM (gate 5.1).

    A e^{kappa s d}, A = sqrt((1/2) sinh 2|f| tau), kappa = (1/2) ln coth |f| tau; for f > 0 flips carry the sign -1, as
    biases i pi/2 (s - d).
    """
    size = abs(element) * tau
    unit, log_prefactor = two_body(-0.5 * np.log(np.tanh(size)), (0, 2))
    log_prefactor += 0.5 * np.log(0.5 * np.sinh(2.0 * size))
    biases = ((0, 0.5j * np.pi), (2, -0.5j * np.pi)) if element > 0.0 else ()
    return Gate(1, (unit,), biases, log_prefactor)


def exchange_weights(coupling, element, tau):
    """Return the matrix elements (parallel, stay, swap) of e^{-tau h}, h = c s1 s2 + e (|+-><-+| + h.c.).

    e^{-tau c}, e^{tau c} cosh(tau e), e^{tau c} sinh(tau |e|): the size of the swap, whose sign is -sgn(e).
    """
    stay, swap = np.cosh(tau * element), np.sinh(tau * abs(element))
    return np.exp(-tau * coupling), np.exp(tau * coupling) * stay, np.exp(tau * coupling) * swap


def exchange_gate(coupling, element, tau, n_hidden=4):
    """Return the gate e^{-tau h} of a bond, h = c s1 s2 + e (|+-><-+| + h.c.) (gates 5.2, any anisotropy).

    Two hidden units with couplings i pi/4 and i pi/8 times (+,+,-,-) keep s1 + s2 = d1 + d2; two-body factors set the
    three elements.  Heisenberg bonds have c = J/4, e = -J/2; see docs/theory/gates.md, "Exchange gate (5.2)".

    Parameters
    ----------
    coupling, element : float
        c and e; for e > 0 (not rotated) the swap is negative, by biases i pi/4 (s1 - s2 - d1 + d2).
    tau : float
    n_hidden : int
        4: factors e^{Ja s1 d1} e^{Jc s1 s2}; 6: e^{Ja (s1 d1 + s2 d2)} e^{Jb (s1 d2 + s2 d1)}.

    Raises
    ------
    ValueError
        n_hidden is neither 4 nor 6.
    """
    parallel, stay, swap = exchange_weights(coupling, element, tau)
    constraint = [((0, 1, 2, 3), tuple(1j * np.pi / part * np.array([1, 1, -1, -1]))) for part in (4, 8)]
    log_prefactor = np.log(parallel / 4.0)
    if n_hidden == 4:
        exponents = {(0, 2): 0.5 * np.log(stay / swap), (0, 1): 0.5 * np.log(parallel / stay)}
    elif n_hidden == 6:
        straight, crossed = -0.25 * np.log(swap / parallel), -0.25 * np.log(stay / parallel)
        exponents = {(0, 2): straight, (1, 3): straight, (0, 3): crossed, (1, 2): crossed}
    else:
        raise ValueError(f"n_hidden = {n_hidden}: allowed are 4 and 6 hidden units per exchange gate")
    units = []
    for slots, exponent in exponents.items():
        unit, log_factor = two_body(exponent, slots)
        units.append(unit)
        log_prefactor += log_factor - exponent
    biases = ()
    if element > 0.0:
        biases = tuple((slot, 0.25j * np.pi * sign) for slot, sign in enumerate((1, -1, -1, 1)))
    return Gate(2, (*constraint, *units), biases, log_prefactor)


def bell_pair(opposite):
    """Return (couplings to spin and ancilla, log_prefactor) of the hidden unit of a Bell pair at infinite temperature.

    2cos[pi/4 (s + s')] is 2 for opposite spins and 0 for equal ones; with i pi/4 (s - s') the other way round.
    """
    return (0.25j * np.pi, 0.25j * np.pi * (1 if opposite else -1)), -np.log(2.0)
