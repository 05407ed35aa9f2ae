"""The machine that a program runs on."""

import functools
import platform


@functools.cache
def processor():
    """Return the name of the processor as the system gives it, the architecture where it gives none."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
