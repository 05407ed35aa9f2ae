"""The way down in energy at zero temperature: schedule, momentum and what happens when the energy rises.

params += dtau x + momentum * (the last change), x = -(S + shift)^{-1} F ([SR] S. Sorella, PRB 64, 024512 (2001)).  In
the space of states this is the heavy-ball iteration, which needs about the square root of the number of steps that
imaginary time needs.  4x4, J2/J1 = 0.5, exact sums, 40 steps: relative error 2e-5 with it, 1e-3 without.
The mean of the last parameters, which noise moves to and fro, is the final state of chains.
Noise is carried along too: with chains the momentum is smaller (transverse-field Ising ring of 32 sites, Gamma = J, 120
steps of 1024 samples: 8e-3 at 0.8, 3e-5 at 0.5, 2e-4 without).
"""

import numpy as np

FIRST_FRACTION = 0.25  # of the samples in the first step
GROWTH_END = 0.7  # part of the run after which samples and shift have reached their last values
DECAY_START, LAST_STEP = 0.7, 0.2  # part of the run after which the step size falls, to this fraction
AVERAGED = 0.1  # part of the run, its last steps, whose mean parameters are the final state with chains
STEP_SIZE = 4.0  # of "auto", over a bound of the width of the spectrum
MOMENTUM, EXACT_MOMENTUM = 0.5, 0.8  # part of the last change that is made again, with chains and with exact sums
EXACT_SCALE = 1e-6  # default relative shift of S at the end where nothing is sampled
RISE = 4.0  # errors by which the energy may rise
CAUTION, RECOVERY, LEAST_CAUTION = 0.5, 1.2, 1e-3  # factors of 1 / shift after a rise and after a fall, and its floor
COLLAPSE = 0.01  # a step after which the energy has risen by more of its modulus is taken back
BLOWN = 10.0  # a step after which the error of the energy is so many times the last one, and COLLAPSE |E|, too
MAX_SCALE = 0.1  # largest relative shift
MAX_MOVE = 0.3  # of any parameter in one step


class Descent:
    """Steps of one state.

    Parameters
    ----------
    settings : GroundStateSettings
    step_size : float
        Imaginary time of a step, before it falls.
    last_scale : float
        Relative shift of S at the end.
    is_exact : bool
        Sums over all configurations, no noise.

    Attributes
    ----------
    caution : float
        The shift of the schedule is divided by it; 1 or less.
    change, origin : (n_params,) or None
        Last change of the parameters, and the parameters before it.
    velocity : (n_params,) or None
        Last solution x: start of the conjugate gradients.
    n_failed : int
        Steps in a row without a finite change.
    mean : (n_params,) or None
        Of the parameters after the `n_mean` last steps.
    """

    _KEPT = ("caution", "change", "origin", "velocity", "n_failed", "mean", "n_mean")

    def __init__(self, settings, step_size, last_scale, is_exact):
        self.n_steps, self.max_change, self.averages = settings.n_steps, settings.max_change, not is_exact
        self.step_size, self.momentum = step_size, EXACT_MOMENTUM if is_exact else MOMENTUM
        self.first_scale, self.last_scale = max(last_scale, settings.start_scale), last_scale
        self.caution, self.n_failed = 1.0, 0
        self.change = self.origin = self.velocity = self.mean = None
        self.n_mean = 0

    def state(self):
        """Return what continues the descent."""
        return {name: getattr(self, name) for name in self._KEPT}

    def restore(self, state):
        """Take over `state` of `state()`."""
        for name in self._KEPT:
            setattr(self, name, state.get(name, getattr(self, name)))  # files of version 0.1 have no mean

    def dtau(self, step):
        """Return the imaginary time of a step, shorter after rises that the largest shift does not prevent."""
        falling = max(0.0, (step / self.n_steps - DECAY_START) / (1 - DECAY_START))
        beyond = self._scheduled(step) / self.caution / MAX_SCALE
        return self.step_size * LAST_STEP**falling / (max(1.0, beyond) if self.caution < 1 else 1.0)

    def diag_scale(self, step):
        """Return the relative shift of a step, larger after the energy has risen."""
        scheduled = self._scheduled(step)
        return max(scheduled, min(MAX_SCALE, scheduled / self.caution))

    def _scheduled(self, step):
        if not self.first_scale:
            return 0.0
        return self.first_scale * (self.last_scale / self.first_scale) ** self._grown(step)

    def _grown(self, step):
        return grown(step, self.n_steps)

    def watch(self, energy, error, last_energy, last_error):
        """Return whether the last change has to be taken back.

        Where the energy has risen beyond the errors the momentum is forgotten and the shift raised; so it is where the
        error itself blows up, and where the last change then has destroyed the state (of electrons near nodes) it is
        taken back.
        """
        rise = energy - last_energy
        noise = RISE * np.hypot(error, last_error) + 1e-12 * abs(energy)
        blown = error > BLOWN * last_error and error > COLLAPSE * abs(last_energy)
        if rise <= noise and not blown:
            self.caution = min(1.0, RECOVERY * self.caution)
            return False
        self.caution, self.change = max(LEAST_CAUTION, CAUTION * self.caution), None
        return self.origin is not None and (blown or rise > noise + COLLAPSE * abs(energy))

    def back(self):
        """Return the parameters before the last change; only one change can be taken back."""
        origin, self.origin, self.mean, self.n_mean = self.origin, None, None, 0
        return origin

    def average(self, step, params):
        """Take the parameters after the step of a number (from 0) into the mean of the last ones."""
        if self.averages and step >= (1 - AVERAGED) * self.n_steps:
            self.n_mean += 1
            self.mean = params if self.mean is None else self.mean + (params - self.mean) / self.n_mean

    def final(self, params):
        """Return the mean of the last parameters, or the present ones where there is none; it is used once."""
        mean, self.mean, self.n_mean = self.mean, None, 0
        return params if mean is None else mean

    def advance(self, params, velocity, dtau, team):
        """Return the new parameters, or None without a finite change.  *Collective*.

        Parameters
        ----------
        params : (n_params,)
        velocity : reconfiguration.Velocity
        dtau : float
        team : Team
            Every rank takes the change of rank 0.
        """
        change = dtau * velocity.x
        if self.change is not None:
            change += self.momentum * self.change
        largest = max(velocity.metric(change) / self.max_change, np.abs(change).max(initial=0.0) / MAX_MOVE)
        if not (np.isfinite(change).all() and np.isfinite(largest)):
            self.n_failed += 1
            return None
        change /= max(1.0, largest)
        team.broadcast(change)
        self.origin, self.velocity, self.change, self.n_failed = params, velocity.x, change, 0
        return params + change


def grown(step, n_steps):
    """Return how far samples and shift of a step of this number (from 0) are on their way to their last values."""
    return min(1.0, step / n_steps / GROWTH_END)


def fraction_of_step(step, n_steps):
    """Return the part of all samples that a step of this number (from 0) is made with."""
    return FIRST_FRACTION ** (1 - grown(step, n_steps))


def default_step(model):
    """Return the imaginary time of one step, STEP_SIZE / width.

    Steps without momentum are stable up to 2 / (width of the spectrum), with it up to 2 (1 + momentum) / width; the
    bound is about 1.5 to 2.5 times the width, and the shift of S allows a little more.
    """
    return STEP_SIZE / max(width_bound(model), 1e-300)


def width_bound(model):
    """Return an energy above the width of the spectrum: the sum of the widths of all terms (1 of a bond J = 1)."""
    off_diagonal = np.abs(model.off_diagonal_elements).sum() + np.abs(model.flip_element).sum()
    return 2 * np.abs(model.pair_coupling).sum() + off_diagonal
