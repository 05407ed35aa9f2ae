"""The path of a cooling: whether a state is where the last step led, and the way back where it is not."""

import numpy as np

NOISE, RELATIVE = 10.0, 0.1  # of e that is off its path: in standard errors, and beside them relative
GROWTH = 4.0  # of Var(H) within one step, beyond what RELATIVE allows for beta Var(H)
KEPT = ("beta", "previous", "checks_energy")  # of an evolution
MAX_RETREATS = 3  # from the same place, each to a step a quarter as large


def left_path(last, summary, beta):
    """Return whether the energy per site is not where the last step led, by far more than noise and step errors.

    Or whether Var(H) has grown so much that the samples do not know the energy: it falls where a magnet is cooled.

    Parameters
    ----------
    last : dict
        "beta", "energy", "energy_error" and "variance" of the last entry of the history, per site.
    summary : dict
        The present "energy", "energy_error" and "variance".
    beta : float
        The present one.
    """
    expected = last["energy"] - last["variance"] * (beta - last["beta"])
    noise = np.hypot(last["energy_error"], summary["energy_error"])
    allowed = RELATIVE * abs(expected)
    grown = beta * (summary["variance"] - GROWTH * last["variance"])
    return bool(abs(summary["energy"] - expected) > NOISE * noise + allowed or grown > allowed)


class Retreat:
    """The state before the last step, to which a run goes back where that step has led astray.

    Samples do not see where an amplitude that was small becomes large: a step that is right on them can be wrong.

    Parameters
    ----------
    evolution : Evolution
    wavefunction : Wavefunction
    """

    def __init__(self, evolution, wavefunction):
        self.evolution, self.wavefunction = evolution, wavefunction
        self.before = None
        self.n_retreats = 0  # since the place was passed last

    def remember(self):
        """Keep the present state, from which a step is about to be made."""
        evolution = self.evolution
        if self.before is None or evolution.beta > self.before["beta"]:
            self.n_retreats = 0
        self.before = {name: getattr(evolution, name) for name in KEPT} | {"params": self.wavefunction.params.copy()}

    def go_back(self, step):
        """Return to the state before a step of dtau `step`, if it is known; return whether to try a smaller step."""
        if self.before is None:
            return False
        self.n_retreats += 1
        self.wavefunction.params = self.before["params"].copy()
        for name in KEPT:
            setattr(self.evolution, name, self.before[name])
        self.evolution.dtau = 0.25 * step
        return self.n_retreats <= MAX_RETREATS

    def stored(self):
        """Return what `restore` takes over: a run may stop between a step and the look at where it has led."""
        return {"before": self.before, "n_retreats": self.n_retreats}

    def restore(self, stored):
        """Take over what `stored` returned."""
        self.before, self.n_retreats = stored["before"], stored["n_retreats"]
