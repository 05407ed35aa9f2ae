"""The directive `{input-reference}`: sections and keys of the input, as the program that is installed has them."""

from definition_lists import as_definitions
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from hpc_nqs.settings import templates


class InputReference(SphinxDirective):
    """Put all keys with defaults, units, meanings and allowed values where the directive stands."""

    def run(self):
        """Return the nodes of one section per section of the input."""
        container = nodes.Element()
        self.state.nested_parse(as_definitions(templates.text("reference")).splitlines(), 0, container, match_titles=1)
        return container.children


def setup(app):
    """Register the directive."""
    app.add_directive("input-reference", InputReference)
    return {"parallel_read_safe": True}
