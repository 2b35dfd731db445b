"""The templates of curate's pages, filled in so that nothing a dataset says becomes markup."""

from __future__ import annotations

import jinja2

__all__ = ["page_template"]


def page_template(name: str) -> jinja2.Template:
    """Return a template of `curate/templates/` that escapes what it shows and knows no undefined name."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("facedata.curate", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
