"""Build the compiled kernels; everything else about the package stands in pyproject.toml.

Every ``hpc_nqs/kernels/*.pyx`` becomes one extension. Every ``csrc/nqs_*.c`` is compiled once and linked into
the extensions that name it in `LEAVES`. Nothing links to MPI, so one build serves every MPI.

Environment variables
---------------------
HPC_NQS_CHECKED=1
    Checks of bounds and of views never assigned, ``-O1 -g``: slow, for the test suite. In a ``noexcept`` function
    such an error cannot be raised; pytest turns what Python prints instead into a failure.
HPC_NQS_MARCH=native
    Adds ``-march=native`` (or whatever it says). The result runs on this kind of processor only, and look-ups in
    tables can become slower (gathers): up to 2.1 times on an AMD EPYC; time it with ``hpc-nqs bench``.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

CHECKED = os.environ.get("HPC_NQS_CHECKED", "") not in ("", "0")
MARCH = os.environ.get("HPC_NQS_MARCH", "")

DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "boundscheck": CHECKED,
    "wraparound": False,
    "initializedcheck": CHECKED,
    # nonecheck stays off: with it Cython refuses `self.x += 1` without the GIL.
}
C_FLAGS = ["-std=gnu11", *(["-O1", "-g"] if CHECKED else ["-O3", "-g0"]), *([f"-march={MARCH}"] if MARCH else [])]

# Which C leaves an extension links, by the name of its .pyx; one that is not named links all of them.
LEAVES = {}
# Flags for one leaf alone, by the name of its .c file.
LEAF_FLAGS = {"nqs_transcendental.c": ["-ffast-math"]}


def write_if_changed(path, text):
    """Write `text` unless the file holds it already, so that its time stamp tells of real changes."""
    path = Path(path)
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(path)


class BuildKernels(build_ext):
    """Translate the .pyx files, compile the C leaves once, link each kernel with its leaves."""

    def finalize_options(self):
        """Compile on all cores unless a number is given."""
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count()

    def run(self):
        """Translate what has changed, note the flags that objects depend on, and build."""
        check_compiler()
        variant = "cython-checked" if CHECKED else "cython"
        made = cythonize(self.extensions, compiler_directives=DIRECTIVES, build_dir=f"build/{variant}")
        flags = repr((C_FLAGS, LEAF_FLAGS, sorted(DIRECTIVES.items()), numpy.__version__))
        self.flags_stamp = write_if_changed(f"{self.build_temp}/flags.txt", flags)
        for extension, translated in zip(self.extensions, made, strict=True):
            extension.sources = translated.sources
            extension.depends = [*translated.depends, self.flags_stamp]
        self.remove_stale()
        super().run()

    def build_extensions(self):
        """Compile the leaves and link every kernel with those that `LEAVES` gives it."""
        headers = sorted(str(path) for path in Path("csrc").glob("*.h"))
        objects = {leaf.stem: self.compile_leaf(leaf, headers) for leaf in sorted(Path("csrc").glob("nqs_*.c"))}
        for extension in self.extensions:
            kernel = extension.name.rpartition(".")[2]
            extension.extra_objects = [objects[leaf] for leaf in LEAVES.get(kernel, objects)]
            extension.depends += headers + extension.extra_objects
        super().build_extensions()

    def compile_leaf(self, leaf, headers):
        """Compile one C leaf unless its object is newer than all it depends on; return the object's path."""
        target = Path(self.build_temp) / leaf.with_suffix(".o")
        inputs = [str(leaf), *headers, self.flags_stamp]
        if target.exists() and all(os.stat(path).st_mtime_ns < target.stat().st_mtime_ns for path in inputs):
            return str(target)
        flags = [*C_FLAGS, *LEAF_FLAGS.get(leaf.name, [])]
        return self.compiler.compile(
            [str(leaf)], output_dir=self.build_temp, include_dirs=["csrc"], extra_postargs=flags
        )[0]

    def remove_stale(self):
        """Delete kernels of an earlier build that the source no longer has."""
        wanted = {Path(path).resolve() for path in self.get_outputs()}
        for path in Path(self.build_lib).glob("hpc_nqs/**/*.so"):
            if path.resolve() not in wanted and not self.inplace:
                path.unlink()


def check_compiler():
    """Leave with one sentence if extensions cannot be compiled."""
    program = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc").split()[0]
    header = Path(sysconfig.get_path("include"), "Python.h")
    if shutil.which(program) is None:
        sys.exit(
            f"hpc_nqs: there is no C compiler ({program}); install gcc (apt-get install gcc, dnf install gcc, "
            "module load gcc), or name another one: CC=clang pip install ."
        )
    if not header.exists():
        sys.exit(f"hpc_nqs: the headers of Python are missing ({header}); install python3-dev or python3-devel")


class BuildModules(build_py):
    """Copy the Python modules, without those of an earlier build that are gone, and note the commit."""

    def run(self):
        """Remove modules that the source no longer has, copy the others, write the commit."""
        for path in Path(self.build_lib).glob("hpc_nqs/**/*.p*"):
            if not path.relative_to(self.build_lib).exists():
                path.unlink()
        super().run()
        if not self.editable_mode:
            write_if_changed(f"{self.build_lib}/hpc_nqs/commit.txt", current_commit())


def current_commit():
    """Return the hash of the checked-out commit, ``-dirty`` appended if files differ; empty outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        if not Path(".git").exists():
            return ""
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def kernels():
    """Return one extension for every .pyx that exists."""
    return [
        Extension(
            f"hpc_nqs.kernels.{path.stem}",
            [str(path)],
            include_dirs=["csrc", numpy.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
            extra_compile_args=C_FLAGS,
            libraries=["m"],
        )
        for path in sorted(Path("hpc_nqs/kernels").glob("*.pyx"))
    ]


setup(ext_modules=kernels(), cmdclass={"build_ext": BuildKernels, "build_py": BuildModules})
