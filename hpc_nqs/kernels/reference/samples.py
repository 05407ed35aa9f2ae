"""Twins of the loops over samples: values, log-derivatives, local energies, chains and rings, in NumPy."""

import numpy as np

from hpc_nqs.kernels.reference.amplitudes import flipped


def log_psi(amplitude, configurations, out):
    """Write ln Psi of every configuration to `out`."""
    out[:] = [amplitude.log_psi(visible) for visible in configurations]


def log_derivs(amplitude, configurations, out):
    """Write O_k of every configuration to `out`, complex numbers as two doubles."""
    for row, visible in zip(out, configurations, strict=True):
        row[:] = np.ascontiguousarray(amplitude.log_derivs(visible)).view(np.float64)


def unit_slopes(amplitude, configurations, out):
    """Write d ln Psi / d angle = phase tanh(angle) of every unit to `out`: real, then imaginary parts if complex."""
    for row, visible in zip(out, configurations, strict=True):
        slopes = amplitude.phase * np.tanh(amplitude.angles(visible))
        row[:] = np.concatenate([slopes.real, slopes.imag][: amplitude.width])


class Hamiltonian:
    """H = constant + sum_p pair_coupling_p s_a s_b + sum_v field_v s_v + sum_t elements_t (move t)."""

    def __init__(self, pair_sites, pair_coupling, field, moves, elements, constant=0.0):
        self.pair_sites, self.pair_coupling, self.field = pair_sites, pair_coupling, field
        self.moves, self.elements, self.constant = moves, elements, constant

    def diagonal(self, visible):
        """Return H_{s s}."""
        return self.constant + self.pair_coupling @ np.prod(visible[self.pair_sites], axis=1) + self.field @ visible

    def local_energy(self, amplitude, moves, visible):
        """Return E_loc = sum_s1 H_{s s1} Psi(s1) / Psi(s)."""
        energy = self.diagonal(visible)
        for move, element in zip(self.moves, self.elements, strict=True):
            proposal = moves.propose(move, visible)
            if proposal is not None:
                energy = energy + element * amplitude.ratio(visible, proposal)
        return energy


def local_energies(
    configurations, amplitude, moves, hamiltonians, energies, log_psi, ratios=None, further=None, derivs=None
):
    """Write E_loc under every Hamiltonian to `energies` (n, n_hamiltonians), ln Psi to `log_psi` (n,).

    Real parts of the ratios of all their moves and of further ones go to `ratios`, log-derivatives to `derivs`.
    """
    if derivs is not None:
        log_derivs(amplitude, configurations, derivs)
    for i, visible in enumerate(configurations):
        log_psi[i] = amplitude.log_psi(visible)
        energies[i] = [hamiltonian.local_energy(amplitude, moves, visible) for hamiltonian in hamiltonians]
    if ratios is not None:
        chosen = np.concatenate([*(hamiltonian.moves for hamiltonian in hamiltonians), further])
        move_ratios(configurations, amplitude, moves, chosen, ratios, log_psi)


def move_ratios(configurations, amplitude, moves, chosen, ratios, log_psi):
    """Write Psi(moved) / Psi to `ratios` (n, n_chosen), 0 where a move is not allowed, ln Psi to `log_psi` (n,)."""
    for i, visible in enumerate(configurations):
        log_psi[i] = amplitude.log_psi(visible)
        proposals = [moves.propose(move, visible) for move in chosen]
        found = [0 if proposal is None else amplitude.ratio(visible, proposal) for proposal in proposals]
        ratios[i] = found if np.iscomplexobj(ratios) else np.real(found)


def connected_configurations(
    configurations, moves, hamiltonian, of_electrons, connected, elements, counts, diagonal
):
    """Write every s1 with H_{s s1} != 0 to `connected`, H_{s s1} to `elements`; return their number.

    Those of one configuration after the other, `counts` (n,) of each; H_{s s} to `diagonal` (n,).  Elements between
    electrons have the sign of those that a hop passes.
    """
    found = 0
    for i, visible in enumerate(configurations):
        diagonal[i], start = hamiltonian.diagonal(visible), found
        for move, element in zip(hamiltonian.moves, hamiltonian.elements, strict=True):
            proposal = moves.propose(move, visible)
            if proposal is not None:
                connected[found], elements[found] = flipped(visible, proposal.flips), element
                for p, q in zip(proposal.flips[::2], proposal.flips[1::2], strict=False):
                    passed = visible[min(p, q) + 1 : max(p, q)] > 0
                    elements[found] *= (-1.0) ** passed.sum() if of_electrons else 1.0
                found += 1
        counts[i] = found - start
    return found


def sample_chains(
    visible, amplitude, moves, proposals, sweeps_per_sample, exponent, streams, configurations, counts
):
    """Advance every chain and keep a configuration after every `sweeps_per_sample` sweeps; return no drift, 0.

    A proposal takes 32 random bits for its index, an allowed one a double more: it is accepted where that is below
    abs(ratio)^(2 exponent).
    """
    for c, stream in enumerate(streams):
        random = stream.ctypes
        for s in range(configurations.shape[1]):
            for _ in range(sweeps_per_sample * visible.shape[1]):
                move = proposals[random.next_uint32(random.state) * len(proposals) >> 32]
                counts[moves.kind[move], 0] += 1
                proposal = moves.propose(move, visible[c])
                if proposal is None:
                    continue
                probability = np.abs(amplitude.ratio(visible[c], proposal)) ** (2 * exponent)
                if random.next_double(random.state) < probability:
                    visible[c] = flipped(visible[c], proposal.flips)
                    counts[moves.kind[move], 1] += 1
            configurations[c, s] = visible[c]
    return 0.0


def ring_segment(links, moves, term, start, length):
    """Return {link: Proposal} of a term of H on `length` layers from `start`; layers it cannot change stay."""
    n = len(links)
    layers = [(start + step) % n for step in range(length)]
    changed = {l for l in layers if moves.propose(term[0], links[l]) is not None}
    touched = {}
    for l in range(n):
        first, second = l in changed, (l + 1) % n in changed
        if first or second:
            touched[l] = moves.propose(term[2 if first and second else 1 if second else 0], links[l])
    return touched


def ring_line(links, moves, move):
    """Return {link: Proposal} of a site flipped on all layers, nothing where it is not the same on all of them."""
    proposals = {l: moves.propose(move, visible) for l, visible in enumerate(links)}
    return {} if None in proposals.values() else proposals


def sample_rings(
    links, amplitude, moves, terms, lines, sweeps_per_sample, exponent, streams, configurations, counts
):
    """Advance every ring and keep its links after every `sweeps_per_sample` sweeps; return no drift, 0.

    A proposal takes 32 random bits for its index, a segment 32 each for its start and its length, an allowed one a
    double more: it is accepted where that is below abs(product of ratios)^exponent.
    """
    n_links, n_visible = links.shape[1:]
    for c, stream in enumerate(streams):
        random = stream.ctypes

        def integer(n, random=random):
            return random.next_uint32(random.state) * n >> 32

        for s in range(configurations.shape[1]):
            for _ in range(sweeps_per_sample * n_links * n_visible // 2):
                pick = integer(len(terms) + len(lines))
                if pick < len(terms):
                    start, length = integer(n_links), 1 + integer(2 * n_links - 1)
                    proposals = ring_segment(links[c], moves, terms[pick], start, min(length, n_links))
                else:
                    proposals = ring_line(links[c], moves, lines[pick - len(terms)])
                kind = int(pick >= len(terms))
                counts[kind, 0] += 1
                if not proposals:
                    continue
                ratios = [amplitude.ratio(links[c, l], proposal) for l, proposal in proposals.items()]
                if random.next_double(random.state) < np.abs(np.prod(ratios)) ** exponent:
                    for l, proposal in proposals.items():
                        links[c, l] = flipped(links[c, l], proposal.flips)
                    counts[kind, 1] += 1
            configurations[c, s] = links[c]
    return 0.0


def follow_path(visible, amplitude, moves, path, smallest, ratios):
    """Make the moves of `path` whose abs(ratio) exceeds `smallest`; write all ratios; return ln Psi at the end."""
    for step, move in enumerate(path):
        proposal = moves.propose(move, visible)
        ratios[step] = 0 if proposal is None else amplitude.ratio(visible, proposal)
        if abs(ratios[step]) > smallest:
            visible[:] = flipped(visible, proposal.flips)
    return amplitude.log_psi(visible)
