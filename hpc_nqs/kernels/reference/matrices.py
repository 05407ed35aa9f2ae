"""NumPy twins of the kernels of the solvers, for tests only: log-derivatives, conjugate gradients, Cholesky."""

import numpy as np

# ---- factored log-derivatives --------------------------------------------------------------------------------------


def class_sums(first, second, pairs, starts, first_room, second_room, out):
    """See `kernels.class_sums`."""
    for each, (begin, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        i, j = pairs[begin:end].T
        out[:, each] += np.sum(first[:, i] * second[:, j] + first[:, j] * second[:, i], axis=1)


def apply_factors(inputs, slopes, weights, work, out):
    """Write sum_uj inputs_su weights_uj slopes_sj of every sample s to `out`."""
    out[:] = np.sum((inputs @ weights) * slopes, axis=1)


def sum_factors(inputs, slopes, vector, work, out):
    """Add sum_s inputs_su conj(slopes_sj) vector_s to `out`, *in place*."""
    out += inputs.T @ (slopes.conj() * vector[:, None])


def covary_factors(inputs, centred, slopes, sample_weights, weights, field, constant, work, values, out, bias):
    """Apply O and then w O^H to the samples: add to `out` and `bias`, *in place*, and return the sum of w O vector."""
    found = sample_weights * (np.sum((inputs @ weights) * slopes, axis=1) + centred @ field - constant)
    out += inputs.T @ (slopes.conj() * found[:, None])
    bias += centred.T @ found
    return found.sum()


def join_sums(sums, means, slopes, total, out):
    """Add up what `covary_factors` left for groups of samples, and centre it."""
    out[:] = sums.sum(axis=0)
    weights, bias = out[: means.size].reshape(means.shape), out[means.size :]
    weights[:-1] += np.outer(bias, slopes)
    weights -= means * total


def covary_rows(rows, sample_weights, vector, values, out):
    """Add O^H w O vector of stored rows O to `out`, *in place*."""
    out += rows.conj().T @ (sample_weights * (rows @ vector))


def multiply_samples(inputs, slopes, terms, other_inputs, other_slopes, other_terms, constant, square, work, out):
    """Write O O'^H between samples of two sets to the planes of `out`."""
    y, d = inputs @ other_inputs.T, _numbers(slopes) @ _numbers(other_slopes).conj().T
    scale, g, o, f = _columns(terms)
    other_scale, other_g, other_o, other_f = (column.conj().T for column in _columns(other_terms))
    product = d * (y + g + other_g + constant) + y * (o + other_o + square) + o * other_g + other_o * g + f + other_f
    product = scale * other_scale * product
    out[0] = product.real
    if len(out) > 1:
        out[1] = product.imag


def _columns(terms):
    """Return scale, g, o and f as columns (n, 1)."""
    scale, g, o_re, o_im, f_re, f_im = terms[:, :, None]
    return scale, g, o_re + 1j * o_im, f_re + 1j * f_im


# ---- conjugate gradients --------------------------------------------------------------------------------------------


def advance(step, direction, product, inverse_diagonal, x, remainder, preconditioned):
    """Make x += step direction, remainder -= step product, preconditioned = inverse_diagonal remainder, *in place*."""
    x += step * direction
    remainder -= step * product
    preconditioned[:] = inverse_diagonal * remainder
    return remainder @ remainder, remainder @ preconditioned


def turn(factor, preconditioned, direction):
    """Make direction = preconditioned + factor direction, *in place*."""
    direction[:] = preconditioned + factor * direction


# ---- Cholesky factorization ----------------------------------------------------------------------------------------


def subtract_product(matrix, left, right, difference, work, out):
    """Write matrix - left right^H to `out`."""
    product = _numbers(matrix) - _numbers(left) @ _numbers(right).conj().T
    out[:] = product if np.iscomplexobj(out) else product.real


def eliminate(matrix, left, right, difference, factor, work, block):
    """Replace `matrix` by the finished rows (matrix - left right^H) L^-H, *in place*."""
    subtract_product(matrix, left, right, difference, work, block)
    divide(factor, block)
    matrix[0] = block.real
    if len(matrix) > 1:
        matrix[1], matrix[2] = block.imag, block.real + block.imag


def divide(factor, rows):
    """Replace `rows` by rows L^-H, *in place*."""
    rows[:] = np.linalg.solve(np.tril(factor).conj(), rows.T).T


def factor(block):
    """Replace the lower triangle of `block` by its Cholesky factor L, *in place*; return whether there is one."""
    lower = np.tril(block)
    try:
        found = np.linalg.cholesky(lower + np.tril(block, -1).conj().T)
    except np.linalg.LinAlgError:
        return False
    block[:] = found + np.triu(block, 1)
    return True


def _numbers(planes):
    """Return the matrix whose real part and, if there are several planes, imaginary part come first."""
    return planes[0] + 1j * planes[1] if len(planes) > 1 else planes[0]


def accumulate(log_derivs, start, stop, energies, weights, totals, mean_log_derivs, force, width):
    """Merge parameters `start` to `stop` of one block of samples into the running means and F."""
    numbers = np.complex128 if width == 2 else np.float64
    arrays = log_derivs[:-1], log_derivs[-1], mean_log_derivs, force
    o, last, mean, f = (array.view(numbers)[..., start:stop] for array in arrays)
    weight = weights.sum()
    if weight == 0:
        o[:], last[:] = 0, 0
        return
    block_mean, block_energy = weights @ o / weight, weights @ energies / weight
    o -= block_mean
    o *= np.sqrt(weights)[:, None]
    e = np.sqrt(weights) * (energies - block_energy)
    # two blocks have the sums of both and the outer product of the difference of their means
    old = totals[0]
    d_o, d_e = block_mean - mean, block_energy - (totals[1] + 1j * totals[2])
    pair_weight = old * weight / (old + weight)
    last[:] = np.sqrt(pair_weight) * d_o
    change = o.conj().T @ e + pair_weight * d_o.conj() * d_e
    f += change if width == 2 else change.real
    mean += weight / (old + weight) * d_o


def add_totals(energies, weights, totals):
    """Merge one block of samples into the running weight and mean energy, *in place*."""
    total = totals[0] + weights.sum()
    if total > 0:
        energy = (totals[0] * (totals[1] + 1j * totals[2]) + weights @ energies) / total
        totals[:] = total, energy.real, energy.imag


def add_products(rows, start, stop, s_matrix, width):
    """Add rows^H rows to the rows `start` to `stop` of the lower triangle of S, *in place*."""
    numbers = np.complex128 if width == 2 else np.float64
    products = rows.view(numbers).conj().T @ rows.view(numbers)
    s_matrix.view(numbers)[start:stop] += np.tril(products)[start:stop]
