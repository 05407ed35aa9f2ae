"""Metropolis sweeps of many chains, one counter-based random stream per chain."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport fabs, log, pow
from libc.stdint cimport int8_t, int64_t, uint32_t, uint64_t
from numpy.random.bit_generator cimport bitgen_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport MoveSet, Proposal

cdef int REFRESH_INTERVAL = 32  # sweeps after which a state is rebuilt from its configuration


cdef inline Py_ssize_t random_index(bitgen_t *stream, Py_ssize_t n) noexcept nogil:
    """Uniform on 0..n-1 up to n / 2^32."""
    return <Py_ssize_t>((<uint64_t>stream.next_uint32(stream.state) * <uint64_t>n) >> 32)


cdef int64_t sweep(int8_t *visible, Amplitude amplitude, MoveSet moves, const Py_ssize_t[::1] proposals,
                   double exponent, bitgen_t *stream, int64_t[:, ::1] counts) noexcept nogil:
    """One sweep (n_visible proposals) of one chain in place; `counts` per kind: proposed, accepted."""
    cdef Py_ssize_t step, move
    cdef int i, kind
    cdef double complex ratio
    cdef double norm, probability
    cdef Proposal proposal
    for step in range(amplitude.n_visible):
        move = proposals[random_index(stream, proposals.shape[0])]
        kind = moves.kind[move]
        counts[kind, 0] += 1
        if not moves.propose(move, visible, &proposal):
            continue
        ratio = amplitude.ratio(visible, &proposal)
        norm = ratio.real * ratio.real + ratio.imag * ratio.imag
        probability = norm if exponent == 1.0 else pow(norm, exponent)
        if probability < 1 and stream.next_double(stream.state) >= probability:
            continue
        amplitude.accept(visible, &proposal)
        for i in range(proposal.n_flips):
            visible[proposal.flips[i]] = -visible[proposal.flips[i]]
        counts[kind, 1] += 1
    return 0


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

    Notes
    -----
    Acceptance min(1, abs(ratio)^(2 exponent)); every proposal is its own reverse.
    """
    cdef Py_ssize_t c, s, v, k, n_samples = configurations.shape[1]
    cdef int since_refresh
    cdef bitgen_t *stream
    for c in range(visible.shape[0]):
        stream = <bitgen_t *>PyCapsule_GetPointer(streams[c].capsule, "BitGenerator")
        with nogil:
            amplitude.refresh(&visible[c, 0])
            since_refresh = 0
            for s in range(n_samples):
                for k in range(sweeps_per_sample):
                    if since_refresh == REFRESH_INTERVAL:
                        amplitude.refresh(&visible[c, 0])
                        since_refresh = 0
                    sweep(&visible[c, 0], amplitude, moves, proposals, exponent, stream, counts)
                    since_refresh += 1
                for v in range(visible.shape[1]):
                    configurations[c, s, v] = visible[c, v]
