"""The mails' templates (jinja2). HTML is escaped, an unknown name is an error, and nothing is loaded from elsewhere."""

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
    """What is filled in stays in its line: a folder's name cannot begin a paragraph of its own in our name."""
    return one_line(value) if type(value) is str else value  # markup is ours


def render(name: str, **facts: object) -> str:
    """Return a template filled in."""
    return _environment().get_template(name).render(**facts)
