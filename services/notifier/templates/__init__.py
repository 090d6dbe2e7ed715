"""Renders the mail templates (jinja2). HTML is escaped, and an unknown name is an error."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from services.mailbox.outgoing_mail import one_line


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("services.notifier", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )


def _finalize(value: object) -> object:
    """Keep an inserted value on one line, so that a folder name cannot add a paragraph to our text."""
    return one_line(value) if type(value) is str else value  # Markup is from our templates


def render(name: str, **facts: object) -> str:
    """Return the text of a template with its values filled in."""
    return _environment().get_template(name).render(**facts)
