"""observables.structure_factor in short: "all" wave vectors of a cluster, or those along a path."""

import dataclasses

from hpc_nqs.settings.rules import Rule, list_of, wave_vector

ALL = "all"
MAX_VECTORS = 1000
WORDS = f'"{ALL}" (every wave vector of a periodic lattice), {{path = [[qx, qy], ...]}} (those on straight lines)'


@dataclasses.dataclass(frozen=True)
class Path:
    """Corners of a path of wave vectors."""

    points: tuple


def wave_vectors():
    """Accept a list of wave vectors, "all" or {path = [...]}."""
    several, corners = list_of(wave_vector(), 0, MAX_VECTORS, distinct=True), list_of(wave_vector(), 2, 100)

    def convert(value):
        if value == ALL and isinstance(value, str):
            return value
        if isinstance(value, dict):
            if set(value) != {"path"}:
                raise ValueError("a table has path alone")
            return Path(corners.convert(value["path"]))
        return several.convert(value)

    return Rule(f"{several.allowed}; or {WORDS}", convert)


def with_wave_vectors(settings, problems):
    """Return the settings with the wave vectors that "all" or a path stand for; what is wrong goes to `problems`."""
    from hpc_nqs.lattices.wave_vectors import all_wave_vectors, wave_vectors_along
    from hpc_nqs.settings.system import build_lattice

    asked = settings.observables.structure_factor
    if not isinstance(asked, Path) and asked != ALL:
        return settings
    shown = f'"{ALL}"' if asked == ALL else "{path = ...}"
    try:
        lattice = build_lattice(settings)
        found = all_wave_vectors(lattice) if asked == ALL else wave_vectors_along(lattice, asked.points)
        if len(found) > MAX_VECTORS:
            raise ValueError(f"{len(found)} wave vectors; allowed are up to {MAX_VECTORS}, in a list or along a path")
    except ValueError as error:
        problems += getattr(error, "problems", [f"observables.structure_factor = {shown}: {error}"])
        found = ()
    chosen = dataclasses.replace(settings.observables, structure_factor=tuple(found))
    return dataclasses.replace(settings, observables=chosen)
