"""Metropolis sweeps of many chains, one counter-based random stream per chain."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport pow
from libc.stdint cimport int8_t, int64_t, uint32_t, uint64_t
from numpy.random.bit_generator cimport bitgen_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport MoveSet, Proposal

cdef int REFRESH_INTERVAL = 32  # sweeps after which a state is rebuilt from its configuration


cdef inline Py_ssize_t random_index(bitgen_t *stream, Py_ssize_t n) noexcept nogil:
    """Uniform on 0..n-1 up to n / 2^32."""
    return <Py_ssize_t>((<uint64_t>stream.next_uint32(stream.state) * <uint64_t>n) >> 32)


cdef inline bint accepts(double drawn, double norm, double exponent) noexcept nogil:
    """Whether drawn < norm^exponent; never for a norm that is not a number.

    For 1/2 <= exponent <= 1 the bounds norm and sqrt(norm) mostly decide it without a power.
    """
    if exponent == 1.0 or norm >= 1 or norm != norm:
        return drawn < norm
    if 0.5 <= exponent < 1.0:
        if drawn < norm:
            return True
        if drawn * drawn > norm:
            return False
    return drawn < pow(norm, exponent)


cdef double sweep(int8_t *visible, Amplitude amplitude, MoveSet moves, const Py_ssize_t[::1] proposals,
                  double exponent, bint rebuild, bitgen_t *stream, int64_t[:, ::1] counts) noexcept nogil:
    """One sweep (n_visible proposals) of one chain in place; `counts` per kind: proposed, accepted.

    With `rebuild` the state is rebuilt at the first allowed proposal; returns how far its ratio had drifted.
    """
    cdef Py_ssize_t step, move
    cdef int i, kind
    cdef double complex ratio, kept
    cdef double norm, drift = 0
    cdef Proposal proposal
    for step in range(amplitude.n_visible):
        move = proposals[random_index(stream, proposals.shape[0])]
        kind = moves.kind[move]
        counts[kind, 0] += 1
        if not moves.propose(move, visible, &proposal):
            continue
        ratio = amplitude.ratio(0, visible, &proposal)
        if rebuild:
            kept = ratio
            amplitude.refresh(visible, 1)
            ratio = amplitude.ratio(0, visible, &proposal)
            drift = abs(kept - ratio) / max(1.0, abs(ratio))
            rebuild = False
        norm = ratio.real * ratio.real + ratio.imag * ratio.imag
        # one number per allowed move, whatever its ratio: rounding of a ratio near 1 must not shift the stream
        if not accepts(stream.next_double(stream.state), norm, exponent):
            continue
        amplitude.accept(0, visible, &proposal)
        for i in range(proposal.n_flips):
            visible[proposal.flips[i]] = -visible[proposal.flips[i]]
        counts[kind, 1] += 1
    return drift


def sample_chains(int8_t[:, ::1] visible, Amplitude amplitude, MoveSet moves, const Py_ssize_t[::1] proposals,
                  Py_ssize_t sweeps_per_sample, double exponent, list streams,
                  int8_t[:, :, ::1] configurations, int64_t[:, ::1] counts):
    """Advance every chain and keep a configuration after every `sweeps_per_sample` sweeps.

    Parameters
    ----------
    visible : (n_chains, n_visible) int8
        Current configurations; *in place*.
    amplitude, moves
        The wave function and all moves.
    proposals : (n_proposals,) intp
        Moves that are proposed, with equal probability.
    exponent : float
        Chains sample abs(Psi)^(2 exponent).
    streams : list of numpy BitGenerator, one per chain
    configurations : (n_chains, n_samples, n_visible) int8, output
    counts : (n_kinds, 2) int64, output
        Proposed and accepted moves of every kind are added.

    Returns
    -------
    float
        Largest drift of a ratio, abs(kept - rebuilt) / max(1, abs(rebuilt)), met when states were rebuilt.

    Notes
    -----
    Acceptance min(1, abs(ratio)^(2 exponent)); every proposal is its own reverse.
    """
    cdef Py_ssize_t c, s, k, n_samples = configurations.shape[1], n_sweeps
    cdef double drift = 0
    cdef bint rebuild
    cdef bitgen_t *stream
    for c in range(visible.shape[0]):
        stream = <bitgen_t *>PyCapsule_GetPointer(streams[c].capsule, "BitGenerator")
        with nogil:
            amplitude.refresh(&visible[c, 0], 1)
            n_sweeps = 0
            for s in range(n_samples):
                for k in range(sweeps_per_sample):
                    rebuild = n_sweeps > 0 and n_sweeps % REFRESH_INTERVAL == 0
                    drift = max(drift, sweep(&visible[c, 0], amplitude, moves, proposals, exponent, rebuild, stream,
                                             counts))
                    n_sweeps += 1
                configurations[c, s, :] = visible[c, :]
    return drift


def follow_path(int8_t[::1] visible, Amplitude amplitude, MoveSet moves, const Py_ssize_t[::1] path,
                double smallest, double complex[::1] ratios):
    """Make given moves one after the other, without rebuilding the state on the way.

    Parameters
    ----------
    visible : (n_visible,) int8
        Configuration at the start; at the end of the path afterwards, *in place*.
    amplitude, moves
        As for `sample_chains`.
    path : (n,) intp
        Moves; those that the configuration does not allow are left out.
    smallest : float
        A move is made if abs(ratio) is larger than this, otherwise only looked at.
    ratios : (n,) complex128, output
        Psi(new) / Psi of every move; 0 where it is not allowed.

    Returns
    -------
    complex
        ln Psi of the state carried along.
    """
    cdef Py_ssize_t step
    cdef int i
    cdef Proposal proposal
    with nogil:
        amplitude.refresh(&visible[0], 1)
        for step in range(path.shape[0]):
            ratios[step] = 0
            if not moves.propose(path[step], &visible[0], &proposal):
                continue
            ratios[step] = amplitude.ratio(0, &visible[0], &proposal)
            if not abs(ratios[step]) > smallest:
                continue
            amplitude.accept(0, &visible[0], &proposal)
            for i in range(proposal.n_flips):
                visible[proposal.flips[i]] = -visible[proposal.flips[i]]
    return amplitude.log_psi(0, &visible[0])
