"""SVG text that can stand inside an HTML page: short, with names of its own, equal for equal figures."""

import re
from collections import Counter


def inline(text, prefix):
    """Return the text of an SVG file as an element for an HTML page.

    Parameters
    ----------
    text : str
        As matplotlib writes it.
    prefix : str
        Of all names inside the element; elements of one page need different ones.
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
