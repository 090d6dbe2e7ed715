"""Decode folder names (modified UTF-7, or whatever a server sends) and tell what they mean in the usual languages.

SPECIAL-USE (RFC 6154) takes precedence over the table of names (``folder_names.toml``).
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Literal, cast

FolderRole = Literal["inbox", "sent", "archive", "all", "drafts", "templates", "outbox", "trash", "junk", "user"]

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")

_PREFIXES = frozenset(("inbox", "[gmail]", "[google mail]", "[imap]", "mail", "folders"))
_BELOW_A_ROOT = 2


_ONE_SPELLING = str.maketrans({"ş": "ș", "ţ": "ț", "\u2019": "'", **dict.fromkeys("\u0307\u200c\u200d\ufffd")})
"""Romanian with cedillas; the dot that case folding leaves of the Turkish capital; joiners of Persian, as they come or replaced."""


def _normal(name: str) -> str:
    folded = unicodedata.normalize("NFC", name.casefold()).translate(_ONE_SPELLING)
    return " ".join(folded.split())


@cache
def _roles() -> dict[str, FolderRole]:
    text = (files("services.mailbox.imap") / "folder_names.toml").read_text(encoding="utf-8")
    return {
        _normal(name): cast("FolderRole", role)
        for role, names in tomllib.loads(text).items()
        for line in names.splitlines()
        for name in line.split("|")
        if name.strip()
    }


def decode_name(raw: bytes) -> str:
    """Return the readable name of a folder, from modified UTF-7 (RFC 3501 section 5.1.3), UTF-8, or as far as it can be decoded."""
    try:
        name = raw.decode("ascii")
    except UnicodeDecodeError:
        return _printable(raw.decode("utf-8", "replace"))
    return _printable(_SHIFTED.sub(_unshift, name))


def _unshift(match: re.Match[str]) -> str:
    code = match[1]
    if not code:
        return "&"
    try:
        data = base64.b64decode(code.replace(",", "/") + "=" * (-len(code) % 4), validate=True)
        return data.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        return match[0]


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in name)


def role_by_name(name: str, delimiter: str | None) -> FolderRole:
    """Return the role of a folder by its name, for servers without SPECIAL-USE.

    Only top-level names count, and names directly below a root that some servers put everything in (``INBOX.Trash``): a
    user's own ``Clients/Archive`` or ``Projects/Spam`` is an ordinary folder.
    """
    if _normal(name) == "inbox":
        return "inbox"
    path = name.split(delimiter) if delimiter else [name]
    if len(path) == _BELOW_A_ROOT and _normal(path[0]) in _PREFIXES:
        path = path[1:]
    return _roles().get(_normal(path[0]), "user") if len(path) == 1 else "user"
