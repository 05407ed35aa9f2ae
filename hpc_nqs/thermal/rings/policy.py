"""Which kernel and how many links a temperature is measured with.

A cooling is right as long as its TDVP residual r^2 is small.  It goes on through the reported temperatures while r^2
stays below a limit; the inverse temperature b* where it crosses that limit is the coldest one of a good kernel.  Colder
temperatures are measured on rings of R links of the kernel at b = 2 beta / R, R the smallest with b <= b*.  Where the
average sign of such a ring is below its floor, R - 1 colder links are tried, for which the cooling goes on if it has
to; R = 2 is the cooled network itself, whose sign is 1.
"""

import math
from dataclasses import dataclass, field

RESIDUAL_LIMIT = {True: 0.01, False: 0.02}  # r^2; True: exact sums, whose rings cost nothing and have no noise
MAX_LINKS = {True: 16, False: 8}
NODE_RATIO = 1.26  # between neighbouring inverse temperatures of rings: the energy between them is interpolated
CHECK_REACH = 1.4  # in units of b*: a ring with fewer, colder links is compared with where it needs no colder kernel


@dataclass
class Policy:
    """The choice of rings of one run.

    Parameters
    ----------
    allowed : tuple of int
        Numbers of links, smallest first.
    sign_floor : float
        Rings with a smaller average sign are not measured.
    is_exact : bool
        Sums over all configurations in place of chains: traces, which have no sign.
    coldest : float
        Inverse temperature beyond which no kernel is good, whatever its residual.
    limit : float or None
        Of the residual, None: RESIDUAL_LIMIT.

    Attributes
    ----------
    signs : dict of (beta, R): float
        Average signs seen so far.
    end : float
        Inverse temperature beyond which the state has no amplitudes; infinite as long as none is known.
    """

    allowed: tuple
    sign_floor: float
    is_exact: bool
    coldest: float = math.inf
    limit: float | None = None
    signs: dict = field(default_factory=dict)
    end: float = math.inf

    def crossing(self, betas, residuals):
        """Return b*, the first beta at which two residuals in a row are above their limit in the mean; None: none yet.

        Parameters
        ----------
        betas, residuals : sequences of float
            Of the steps, in order.
        """
        limit = self.limit or RESIDUAL_LIMIT[self.is_exact]
        for k in range(1, len(betas)):
            if residuals[k - 1] + residuals[k] > 2 * limit or betas[k] >= self.coldest:
                return min(betas[k], self.coldest, self.end)
        return self.end if math.isfinite(self.end) else None

    def choose(self, beta, crossing):
        """Return R for an inverse temperature; signs that are known decide, an unknown one is to be measured first."""
        allowed = self.allowed
        if crossing is None:
            return allowed[0]
        good = [n_links for n_links in allowed if 2 * beta / n_links <= crossing] or [allowed[-1]]
        allowed = tuple(n_links for n_links in allowed if n_links >= good[0] or 2 * beta / n_links <= self.end)
        for n_links in reversed(allowed[: allowed.index(good[0]) + 1]):
            if not self.needs_pilot(beta, n_links) and not self.has_sign(beta, n_links):
                continue
            return n_links
        return 2

    def needs_pilot(self, beta, n_links):
        """Return whether the sign of a ring is not known."""
        return n_links > 2 and not self.is_exact and (beta, n_links) not in self.signs

    def has_sign(self, beta, n_links):
        """Return whether the average sign of a ring is known to reach its floor."""
        return n_links == 2 or self.is_exact or self.signs.get((beta, n_links), 0.0) >= self.sign_floor

    def other(self, beta, n_links, crossing):
        """Return the numbers of links, best first, with which a measured ring is compared."""
        fewer = n_links - 1
        reach = min(CHECK_REACH * crossing, self.end)
        found = [fewer] if fewer >= 2 and 2 * beta / fewer <= reach else []
        return found + ([n_links + 1] if n_links < MAX_LINKS[self.is_exact] else [])

    def nodes(self, beta, known):
        """Return inverse temperatures to be measured before `beta`, so that no two neighbours are far apart.

        Parameters
        ----------
        beta : float
        known : float
            The largest one below `beta` whose energy is known.
        """
        n_parts = 1
        while (beta / known) ** (1 / n_parts) > NODE_RATIO:
            n_parts += 1
        return [known * (beta / known) ** (k / n_parts) for k in range(1, n_parts)]
