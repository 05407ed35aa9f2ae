"""Functions of a user that a run calls with its numbers: after every step, and at every new result."""

import pickle

ASKED = "asked for by the program that watches the run"


class Watch:
    """Call functions on rank 0; what goes wrong in them, or True from them, ends the run at its next checkpoint.

    Parameters
    ----------
    on_step : callable, optional
        Takes the numbers of a step, a dict of the columns of the history.
    on_result : callable, optional
        Takes a new row of the table, a dict.

    Attributes
    ----------
    failure : Exception or None
        What one of them raised; none is called from then on.
    """

    def __init__(self, on_step=None, on_result=None):
        self.on_step, self.on_result = on_step, on_result
        self.failure, self._asked = None, False
        self._step, self._seen = None, set()

    @property
    def stops(self):
        """Whether the run has to stop."""
        return self._asked or self.failure is not None

    @property
    def reason(self):
        """Why the run has to stop, in words."""
        return ASKED if self.failure is None else f"{type(self.failure).__name__} in a function that watches the run"

    def begin(self, run):
        """Take what a run that continues has already as known."""
        if self.on_step is not None:
            self._step = run.last_step()
        if self.on_result is not None:
            self._seen = {_key(row) for row in run.table()["rows"]}

    def after_step(self, run):
        """Tell of the last step of a `runs.computation.Driver`, once."""
        step = run.last_step() if self.on_step is not None else None
        if step and step != self._step:
            self._step = step
            self._call(self.on_step, step)

    def after_result(self, run):
        """Tell of the results that are new."""
        self.after_step(run)
        if self.on_result is None or self.stops:
            return
        for row in run.table()["rows"]:
            if _key(row) not in self._seen:
                self._seen.add(_key(row))
                self._call(self.on_result, row)

    def _call(self, function, numbers):
        if function is None or self.stops:
            return
        try:
            self._asked = function(dict(numbers)) is True
        except Exception as error:
            self.failure = error

    def portable_failure(self):
        """Return `failure` in a form that other processes can raise: itself, or a RuntimeError with its words."""
        try:
            pickle.loads(pickle.dumps(self.failure))
        except Exception:
            return RuntimeError(f"{type(self.failure).__name__}: {self.failure}")
        return self.failure


def _key(row):
    """Return what tells rows apart: the temperature, or the quantum numbers."""
    return row.get("beta", tuple(str(row.get(name)) for name in ("momentum", "sz", "spin_parity", "point_group")))


NOBODY = Watch()
