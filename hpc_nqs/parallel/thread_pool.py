"""The threads of one rank."""

from concurrent.futures import ThreadPoolExecutor, wait

SLICES = 4  # of the items that a thread takes, on average: a core that other programs slow down takes fewer


class Threads:
    """The threads of one rank: they share its chains and samples, and give the numbers that one thread gives.

    Kernels work without the lock of the interpreter, so threads of Python are enough; each has an amplitude of its own
    that shares the tables of the first.  The calling thread works too, and whoever is free takes the next item.

    Parameters
    ----------
    n_threads : int
    """

    def __init__(self, n_threads=1):
        self.n_threads = n_threads
        self._pool = ThreadPoolExecutor(n_threads - 1) if n_threads > 1 else None

    def run(self, amplitude, n_items, work):
        """Call work(amplitude, slice of the items) for slices that cover them; return what the calls return, in order.

        An exception of a call is raised here.
        """
        n = min(self.n_threads, n_items)
        if n <= 1:
            return [work(amplitude, slice(0, n_items))]
        n_slices = min(n_items, n * SLICES)
        ends = [n_items * k // n_slices for k in range(n_slices + 1)]
        free = [amplitude, *(amplitude.sibling() for _ in range(n - 1))]

        def work_on(part):
            own = free.pop()
            try:
                return work(own, part)
            finally:
                free.append(own)

        return self.each(work_on, list(map(slice, ends[:-1], ends[1:])))

    def each(self, work, items):
        """Call work(item) for every item, on whatever thread is free, and return what the calls return, in order.

        An exception of a call is raised here.
        """
        n = min(self.n_threads, len(items))
        if n <= 1:
            return [work(item) for item in items]
        results, left = [None] * len(items), iter(range(len(items)))

        def take():
            for k in left:
                results[k] = work(items[k])

        others = [self._pool.submit(take) for _ in range(n - 1)]
        try:
            take()
        finally:
            wait(others)
        for other in others:
            other.result()
        return results
