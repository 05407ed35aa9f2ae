"""SVG text of figures, made small enough to stand inside a page."""

import re
from collections import Counter


def compacted(text, prefix):
    """Return the element of an SVG file without metadata and bare groups, styles as classes, all names with a prefix.

    Parameters
    ----------
    text, prefix : str
        See `figures.svg_text`.
    """
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _without_bare_groups(re.sub(r'<g id="\w+">', "<g>", text))
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    text = re.sub(r"(\d\d\.\d\d)\d+", r"\1", text)  # hundredths of a point are enough
    return re.sub(r"\s*\n\s*", "\n", _with_classes(text, prefix))


def _without_bare_groups(text):
    """Return SVG text without the groups that have no attributes, which change nothing."""
    parts, kept = [], []
    for part in re.split(r"(<g\b[^>]*>|</g>)", text):
        if part == "</g>":
            part = part if kept.pop() else ""
        elif part.startswith("<g") and not part.endswith("/>"):
            kept.append(part != "<g>")
            part = part if kept[-1] else ""
        parts.append(part)
    return "".join(parts)


def _with_classes(text, prefix):
    """Return SVG text whose repeated style attributes are classes, a third shorter."""
    counts = Counter(re.findall(r' style="([^"]*)"', text))
    classes = {style: f"{prefix}-{number}" for number, style in enumerate(counts) if counts[style] > 2}
    text = re.sub(
        r' style="([^"]*)"', lambda found: f' class="{classes[found[1]]}"' if found[1] in classes else found[0], text
    )
    rules = "".join(f".{name}{{{style}}}\n" for style, name in classes.items())
    return text.replace("<defs>", f"<style>\n{rules}</style>\n<defs>", 1)
