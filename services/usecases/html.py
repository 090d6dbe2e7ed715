"""Makes the HTML of a mail harmless."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

_ADDRESSES = ("src", "srcset", "background", "poster")
"""Attributes that make a browser load something."""
_LINKS = ("href", "cite")
_SCHEMES = ("http://", "https://", "mailto:", "tel:")
"""What a link may begin with. Without a scheme, it would lead into the site that shows the mail."""


def sanitize_html(
    html: str,
    *,
    remote: bool = False,
    styles: Collection[str] = (),
    images: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return HTML that runs nothing and loads nothing: without scripts, styles, forms and remote addresses.

    ``remote`` keeps images that have an ``https`` address, ``styles`` these properties of style attributes; ``images`` are
    addresses by Content-ID.
    """
    return _sanitized(html, remote=remote, styles=styles, images=images)[0]


def has_remote_images(html: str) -> bool:
    """Whether ``remote`` changes what ``sanitize_html`` returns."""
    return _sanitized(html)[1]


def _sanitized(
    html: str,
    *,
    remote: bool = False,
    styles: Collection[str] = (),
    images: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, bool]:
    """Return the HTML, and whether it has images with an ``https`` address."""
    import nh3  # noqa: PLC0415 - slow to load

    has_remote = False

    def keep(element: str, attribute: str, value: str) -> str | None:
        nonlocal has_remote
        if attribute in _LINKS:
            return value if value.strip().lower().startswith(_SCHEMES) else None
        if attribute not in _ADDRESSES:
            return value
        if element != "img" or attribute != "src":
            return None
        if value.startswith("cid:"):
            return images.get(value.removeprefix("cid:"), value)
        is_remote = value.startswith("https://")
        has_remote = has_remote or is_remote
        return value if value.startswith("data:image/") or (remote and is_remote) else None

    attributes = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
    if styles:
        attributes.setdefault("*", set()).add("style")
    cleaned = nh3.clean(
        html,
        attributes=attributes,
        attribute_filter=keep,
        filter_style_properties=set(styles) or None,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer",
    )
    return cleaned, has_remote
