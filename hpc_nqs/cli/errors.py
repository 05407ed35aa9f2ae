"""How a command ends: exit codes, and errors as sentences."""

import errno

from hpc_nqs.runs.output_paths import OccupiedError
from hpc_nqs.settings.parsing import SettingsError

DONE, FAILED, WRONG_INPUT = 0, 1, 2
STOPPED = 75  # at a checkpoint before the end; `resume` continues

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_NEEDED = ("numpy", "scipy", "h5py")
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


class CommandError(Exception):
    """A command cannot do what was asked; the message is one sentence for the user."""

    exit_code = FAILED


class UnusableFile(CommandError):
    """The input or run file is not there, cannot be read or is damaged."""

    exit_code = WRONG_INPUT


class QuietExit(CommandError):
    """An error of this rank that rank 0 reports; the rank ends in silence."""

    def __init__(self, exit_code):
        super().__init__("")
        self.exit_code = exit_code


def exit_code(error):
    """Return the exit code of a command that ends with this error."""
    return WRONG_INPUT if isinstance(error, SettingsError) else getattr(error, "exit_code", FAILED)


def explain(error):
    """Return the sentence to show for an error, None for an error that deserves its traceback."""
    if isinstance(error, QuietExit):
        return ""
    if isinstance(error, SettingsError):
        count = "1 problem" if len(error.problems) == 1 else f"{len(error.problems)} problems"
        return "\n".join(
            [f"hpc-nqs: {count} in the input, nothing was written", *(f"  {problem}" for problem in error.problems)]
        )
    if isinstance(error, (CommandError, OccupiedError)):
        return f"hpc-nqs: {error}"
    if isinstance(error, OSError) and error.errno in _FULL_DISK:
        place = f" for {error.filename}" if error.filename else ""
        return f"hpc-nqs: the disk is full ({error.strerror}){place}; an earlier complete checkpoint is untouched"
    if isinstance(error, OSError) and error.errno in _NOT_ALLOWED and error.filename is not None:
        return f"hpc-nqs: {error.filename} cannot be used ({error.strerror}); choose another place, for results with -o"
    if isinstance(error, OSError) and error.filename is not None:
        return f"hpc-nqs: {error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return (
            f"hpc-nqs: not enough memory{f' ({error})' if str(error) else ''}; `hpc-nqs check` shows what a run needs"
        )
    if isinstance(error, ImportError) and (error.name or "").startswith("hpc_nqs.kernels"):
        return f"hpc-nqs: the compiled part is missing ({error})"
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] in _NEEDED:
        return f"hpc-nqs: {error.name} is missing ({error}); install the program with what it needs: pip install ."
    return None
