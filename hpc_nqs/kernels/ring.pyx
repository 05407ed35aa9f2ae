"""Metropolis sweeps of rings of layers: the trace of a product of wave functions, one link after the other.

Layers L_0 .. L_{n-1} in a ring; link l joins L_l to L_{l+1} and has the visible units (L_l, L_{l+1}) or, with
opposite Bell pairs, (L_l, -L_{l+1}).  The weight of a ring is the product of abs(phi) over its links.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport pow
from libc.stdint cimport int8_t, int64_t, uint32_t, uint64_t
from numpy.random.bit_generator cimport bitgen_t

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport MoveSet, Proposal

cdef int REFRESH_INTERVAL = 32  # sweeps after which the states are rebuilt from their configurations
cdef enum:
    SEGMENT = 0  # one term of H acts on a contiguous segment of layers
    LINE = 1     # the spin of one site is flipped on all layers


cdef inline Py_ssize_t random_index(bitgen_t *stream, Py_ssize_t n) noexcept nogil:
    """Uniform on 0..n-1 up to n / 2^32."""
    return <Py_ssize_t>((<uint64_t>stream.next_uint32(stream.state) * <uint64_t>n) >> 32)


cdef bint propose_segment(const int8_t *links, Py_ssize_t n_links, Py_ssize_t n_visible, MoveSet moves,
                          const Py_ssize_t[:, ::1] terms, Py_ssize_t term, Py_ssize_t start, Py_ssize_t length,
                          Proposal *proposals, bint *touched) noexcept nogil:
    """Fill the proposal of every link that a term on `length` layers from `start` touches; 0 where it changes nothing.

    Layers that the term cannot change (parallel spins of an exchange) stay as they are, before and after the move.
    """
    cdef bint[BLOCK] changed
    cdef bint some = False, first, second
    cdef Py_ssize_t l
    for l in range(n_links):
        changed[l] = ((l - start + n_links) % n_links < length
                      and moves.propose(terms[term, 0], links + l * n_visible, &proposals[l]))
        some |= changed[l]
    for l in range(n_links):
        first, second = changed[l], changed[(l + 1) % n_links]
        touched[l] = first or second
        if touched[l]:
            moves.propose(terms[term, 2 if first and second else 1 if second else 0], links + l * n_visible,
                          &proposals[l])
    return some


cdef bint propose_line(const int8_t *links, Py_ssize_t n_links, Py_ssize_t n_visible, MoveSet moves, Py_ssize_t move,
                       Proposal *proposals, bint *touched) noexcept nogil:
    """Fill the proposals that flip a site on all layers; 0 where its spin is not the same on all of them."""
    cdef Py_ssize_t l
    for l in range(n_links):
        touched[l] = True
        if not moves.propose(move, links + l * n_visible, &proposals[l]):
            return False
    return True


cdef double weight_ratio(const int8_t *links, Amplitude amplitude, Py_ssize_t n_links, Proposal *proposals,
                         bint *touched) noexcept nogil:
    """Return abs(product of ratios)^2."""
    cdef double norm = 1
    cdef double complex ratio
    cdef Py_ssize_t l
    for l in range(n_links):
        if touched[l]:
            ratio = amplitude.ratio(l, links + l * amplitude.n_visible, &proposals[l])
            norm *= ratio.real * ratio.real + ratio.imag * ratio.imag
    return norm


cdef double sweep(int8_t *links, Py_ssize_t n_links, Amplitude amplitude, MoveSet moves,
                  const Py_ssize_t[:, ::1] terms, const Py_ssize_t[::1] lines, double exponent, bint rebuild,
                  bitgen_t *stream, int64_t[:, ::1] counts) noexcept nogil:
    """One sweep (n_links * n_sites proposals) of one ring in place; return how far a ratio had drifted.

    With `rebuild` the states are rebuilt at the first allowed proposal.
    """
    cdef Py_ssize_t step, pick, start, length, l, n_visible = amplitude.n_visible
    cdef int i, kind
    cdef bint allowed
    cdef double norm, kept, drawn, drift = 0
    cdef Proposal[BLOCK] proposals
    cdef bint[BLOCK] touched
    for step in range(n_links * n_visible // 2):
        pick = random_index(stream, terms.shape[0] + lines.shape[0])
        if pick < terms.shape[0]:
            kind = SEGMENT
            start = random_index(stream, n_links)
            length = 1 + random_index(stream, 2 * n_links - 1)  # half of the segments are whole rings
            allowed = propose_segment(links, n_links, n_visible, moves, terms, pick, start, min(length, n_links),
                                      proposals, touched)
        else:
            kind = LINE
            allowed = propose_line(links, n_links, n_visible, moves, lines[pick - terms.shape[0]], proposals, touched)
        counts[kind, 0] += 1
        if not allowed:
            continue
        norm = weight_ratio(links, amplitude, n_links, proposals, touched)
        if rebuild:
            kept = norm
            amplitude.refresh(links, n_links)
            norm = weight_ratio(links, amplitude, n_links, proposals, touched)
            drift = abs(kept - norm) / max(1.0, norm)
            rebuild = False
        # one number per allowed move, whatever its ratio; a ratio that is not a number is rejected
        drawn = stream.next_double(stream.state)
        if not (norm >= 1 or (drawn * drawn < norm if exponent == 1.0 else drawn < pow(norm, 0.5 * exponent))):
            continue
        for l in range(n_links):
            if touched[l]:
                amplitude.accept(l, links + l * n_visible, &proposals[l])
                for i in range(proposals[l].n_flips):
                    links[l * n_visible + proposals[l].flips[i]] = -links[l * n_visible + proposals[l].flips[i]]
        counts[kind, 1] += 1
    return drift


def sample_rings(int8_t[:, :, ::1] links, Amplitude amplitude, MoveSet moves, const Py_ssize_t[:, ::1] terms,
                 const Py_ssize_t[::1] lines, Py_ssize_t sweeps_per_sample, double exponent, list streams,
                 int8_t[:, :, :, ::1] configurations, int64_t[:, ::1] counts):
    """Advance every ring and keep its links after every `sweeps_per_sample` sweeps.

    Parameters
    ----------
    links : (n_chains, n_links, n_visible) int8
        Visible units of every link; *in place*.  At most BLOCK links.
    amplitude, moves
        phi and all moves.
    terms : (n_terms, 3) intp
        Moves of one term on the first layer of a link, on the second, and on both.
    lines : (n_lines,) intp
        Moves that flip one site on both layers of a link where it is matched.
    exponent : float
        Rings are distributed as abs(product of phi)^exponent.
    streams : list of numpy BitGenerator, one per chain
    configurations : (n_chains, n_samples, n_links, n_visible) int8, output
    counts : (2, 2) int64, output
        Proposed and accepted moves of segments and of lines are added.

    Returns
    -------
    float
        Largest drift of abs(product of ratios)^2, relative, met when states were rebuilt.

    Notes
    -----
    Acceptance min(1, abs(ratio)^exponent); every proposal is its own reverse.
    """
    cdef Py_ssize_t c, s, k, n_links = links.shape[1], n_sweeps
    cdef double drift = 0
    cdef bint rebuild
    cdef bitgen_t *stream
    for c in range(links.shape[0]):
        stream = <bitgen_t *>PyCapsule_GetPointer(streams[c].capsule, "BitGenerator")
        with nogil:
            amplitude.refresh(&links[c, 0, 0], n_links)
            n_sweeps = 0
            for s in range(configurations.shape[1]):
                for k in range(sweeps_per_sample):
                    rebuild = n_sweeps > 0 and n_sweeps % REFRESH_INTERVAL == 0
                    drift = max(drift, sweep(&links[c, 0, 0], n_links, amplitude, moves, terms, lines, exponent,
                                             rebuild, stream, counts))
                    n_sweeps += 1
                configurations[c, s, :, :] = links[c, :, :]
    return drift
