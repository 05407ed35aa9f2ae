"""Fonts, lines and metadata of figures."""

NARROW = 4.5  # inches; below, the panels stand in one column
STYLE = {"svg.fonttype": "path", "svg.hashsalt": "hpc_nqs", "pdf.fonttype": 42}


def style_of(width):
    """Return the parameters of matplotlib for a figure of this width in inches."""
    size = 9.0 if width >= NARROW else 8.0
    return STYLE | {
        "font.size": size,
        "axes.titlesize": size,
        "figure.titlesize": size + 1,
        "legend.fontsize": size - 0.5,
        "axes.linewidth": 0.8,
        "xtick.direction": "in",
        "ytick.direction": "in",
        "xtick.top": True,
        "ytick.right": True,
    }


def metadata_of(path):
    """Return metadata without a date, so that the same run gives the same file."""
    ending = str(path).rpartition(".")[2].lower()
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None, "ModDate": None}}.get(ending)
