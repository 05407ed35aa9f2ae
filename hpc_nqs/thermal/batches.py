"""Batches of samples at a reported temperature, which a run may have to leave."""


def measured_batches(n_batches, sample, stops, made):
    """Yield batches of (samples, evaluation), fewer if the run has to stop.

    Parameters
    ----------
    n_batches : int
    sample : callable
        Returns the next batch.
    stops : callable
        Returns whether the run has to stop; asked between batches.
    made : list
        Is as long as batches have been made; holds the last one alone, *in place*.
    """
    for batch in range(n_batches):
        if batch and stops():
            return
        made[:] = [None] * batch + [sample()]
        yield made[-1]
