"""Whether a thermal run has samples enough for the parameters that it fits to them.

The velocity x of S x = -F is fitted to the samples of a step, and its TDVP residual is measured on the same ones: with
n samples for p parameters it comes out too small, and x moves with the noise of the samples instead.  Neither the
errors of e nor those of anything else see that.
"""

# Samples of a step per parameter: enough, and less than the errors can be trusted with.  Permanents of a ring of 10
# sites, J2 = 0.5, 48 parameters, T = 1, three seeds: e off by 12, 5 and 16 of its total errors with 2.7 per parameter,
# 6, 13, 3 with 5.3, 7, 0.3, 0.8 with 11, 0.2 and 2 with 21, 0.4 and 0.6 with 85; residuals 0.2 to 0.3, 0.3 to 0.7, 0.5
# to 1, 0.8 to 1.1, 0.9 to 1 of that of sums.
LEAST, POOR = 16, 8


def too_few(resolved):
    """Return (samples of a step, parameters) of a sampled thermal run with too few samples; None where they suffice.

    Parameters
    ----------
    resolved : dict
        {section: {key: value}}, what "auto" became.
    """
    sampling, wavefunction = resolved.get("sampling", {}), resolved.get("wavefunction", {})
    n_samples, n_params = sampling.get("n_samples"), wavefunction.get("n_params")
    if "thermal" not in resolved or not n_samples or not n_params or n_samples >= LEAST * n_params:
        return None
    return n_samples, n_params


def warning(resolved):
    """Return a sentence about an input with too few samples, an empty one where there are enough."""
    found = too_few(resolved)
    if found is None:
        return ""
    n_samples, n_params = found
    return (
        f"{n_samples} samples of a step for {n_params} parameters: errors may be larger than the run can know. Raise "
        f"sampling.n_samples to {LEAST * n_params}."
    )
