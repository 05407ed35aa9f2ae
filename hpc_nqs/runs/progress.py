"""The line that tells a waiting user how far the run is."""

import math
import sys
import time

from hpc_nqs.reports.numbers import duration, value_text

WIDTH = 79


class Progress:
    """Live line of one run: rewritten in place on a terminal, one line every so often in a log file.

    Parameters
    ----------
    team_rank : int
        Only rank 0 prints.
    stream : text stream, optional
        Standard error by default, so that standard output holds results only.
    interval : float
        Seconds between two lines when the stream is not a terminal.
    clock : callable, optional
        Returns seconds; for tests.

    Attributes
    ----------
    units : MolarUnits or None
        Of the temperatures and energies that are shown, None: those of the couplings.
    """

    LIVE_INTERVAL = 0.1  # seconds between two rewrites on a terminal

    def __init__(self, team_rank=0, stream=None, interval=30.0, clock=time.monotonic):
        self._stream = sys.stderr if stream is None else stream
        self._silent = team_rank != 0
        self._live = not self._silent and self._stream.isatty()
        self._interval = self.LIVE_INTERVAL if self._live else interval
        self._clock = clock
        self._last_print = -math.inf
        self._shown = ""  # what stands on the terminal line now
        self._pending = None  # the newest line, if it has not been printed
        self.units = None

    def update(self, *, step, beta=None, beta_end=None, n_steps=None, seconds_left=None, **values):
        """Note the state after a step and print it when it is time.

        Parameters
        ----------
        step : int
        beta, beta_end : float, optional
            Inverse temperature of the values, and at the end of the run.
        n_steps : int, optional
            Steps at the end of a run that goes by steps.
        seconds_left : callable, optional
            Returns the seconds that the run still takes, or None; asked when a line is printed.
        **values : float or None
            energy, energy_error (per site), acceptance, residual, v_score; with_mu, whether the energy is that of
            H - mu N; sectors, how many of how many are done.
        """
        if self._silent:
            return
        now = self._clock()
        self._pending = (step, beta, n_steps if beta is None else beta_end, values, seconds_left)
        if now - self._last_print >= self._interval:
            self._print(now)

    def message(self, text):
        """Print a line of its own above the live line."""
        if self._silent:
            return
        self._erase()
        self._write(text + "\n")
        if self._live and self._pending is not None:
            self._print(self._clock())

    def close(self):
        """Print the last state if it has not been seen and leave the line."""
        if self._silent:
            return
        if self._pending is not None:
            self._print(self._clock())
        if self._live and self._shown:
            self._write("\n")
        self._shown, self._pending = "", None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _print(self, now):
        *shown, seconds_left = self._pending
        line = format_line(*shown, seconds_left() if seconds_left else None, self.units)
        self._erase(keep=len(line))
        self._write(("\r" + line) if self._live else (line + "\n"))
        self._shown = line if self._live else ""
        self._last_print = now
        if not self._live:
            self._pending = None

    def _erase(self, keep=0):
        if self._shown and len(self._shown) > keep:
            self._write("\r" + " " * len(self._shown) + "\r")
        self._shown = ""

    def _write(self, text):
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # a closed terminal must not end a run
            self._silent = True


def format_line(step, beta, end, values, seconds_left, units=None):
    """Return the progress as one line of at most 79 columns; the last parts are left out when it is too long.

    `end` is the inverse temperature at the end, or without `beta` the last step; of molar `units` the temperature and
    the energy.
    """
    if beta is None:
        parts = [f"step {step}/{end}"]
    elif units is not None:
        parts = [f"step {step}"]
        parts += [f"T {units.kelvin / beta:.4g}/{units.kelvin / end:.4g} K"] if beta > 0.0 else []
    else:
        parts = [f"step {step}", f"beta {beta:.4g}/{end:.4g}"]
        if beta > 0.0:
            parts.append(f"T {1.0 / beta:.4g}")
    if values.get("sectors"):
        parts.insert(0, "{}/{} sectors".format(*values["sectors"]))
    if _known(values.get("energy")):
        error = values.get("energy_error")
        known, factor = _known(error) and error > 0.0, 1.0 if units is None else units.factors["energy"]
        energy = factor * values["energy"]
        shown = value_text(energy, factor * error) if known else format(energy, ".6g")
        behind = "" if units is None else " J/mol"
        parts.append(f"{'e - mu n' if values.get('with_mu') else 'e'} {shown}{behind}")
    if _known(values.get("v_score")):
        parts.append(f"V-score {values['v_score']:.2g}")
    if seconds_left is not None:
        parts.append(f"{duration(round(seconds_left))} left")
    if _known(values.get("residual")):
        parts.append(f"residual {values['residual']:.2g}")
    if _known(values.get("acceptance")):
        parts.append(f"accept {values['acceptance']:.2f}")
    while len("  ".join(parts)) > WIDTH and len(parts) > 2:
        parts.pop()
    return "  ".join(parts)[:WIDTH]


def _known(value):
    return value is not None and math.isfinite(value)
