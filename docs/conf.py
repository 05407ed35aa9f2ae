"""Sphinx: `bash jobscripts/docs.sh` builds these pages, with warnings as errors."""

import logging
import os
import sys
from pathlib import Path

import hpc_nqs
from hpc_nqs.version import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
for name in hpc_nqs.__all__:  # which the package imports when they are asked for, and Sphinx only looks
    setattr(hpc_nqs, name, getattr(hpc_nqs, name))

# Tables of contents end with "*", so that a new page is never lost; mostly there is none, and Sphinx would complain.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(lambda record: "didn't match" not in str(record.msg))

project = "hpc_nqs"
author = "hpc_nqs authors"
copyright = "2026, hpc_nqs authors"
version = release = __version__

extensions = [
    "input_reference",  # of _ext
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "_ext"]
nitpicky = False  # types in docstrings are words of physics such as (n_rows,) float64, not names of classes

smartquotes = False  # what stands in quotes is typed
html_theme = "furo"
html_title = f"hpc_nqs {__version__}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_sourcelink = False
if os.environ.get("HPC_NQS_MATHJAX"):  # without a network: the address of a MathJax of your own
    mathjax_path = os.environ["HPC_NQS_MATHJAX"]

bibtex_bibfiles = ["theory/references.bib"]
bibtex_reference_style = "label"
bibtex_default_style = "unsrt"

myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_heading_anchors = 4

nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "executed")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 1200  # seconds per cell, on machines that do other work too
nb_output_stderr = "remove"  # the progress of runs
nb_merge_streams = True

numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_member_order = "bysource"
