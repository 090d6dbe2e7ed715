"""Outlook's ``winmail.dat`` (MS-OXTNEF): the text and the files in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from tnefparse import TNEF

from services.parser.wrappers.cpu_limit import CpuLimitError, cpu_limit
from services.parser.wrappers.rtf import decompress, rtf_text

SIGNATURE = b"\x78\x9f\x3e\x22"
_CPU_SECONDS = 2.0
_WORK = 20_000_000_000
"""Bytes."""
_HEADER, _SHORTEST = 6, 12
_DEPTH = 3
_CODEPAGE = "cp1252"


class Unpacked(NamedTuple):
    """What a ``winmail.dat`` holds."""

    text: str
    html: str
    files: list[tuple[str, bytes]]
    """Names and contents."""


def unpack(data: bytes) -> Unpacked | None:
    """Return what is in it, or None when it cannot be read in time.

    A signal may end the library anywhere: what it had read by then is not used.
    """
    found = Unpacked("", "", [])
    if _attributes(data) * len(data) > _WORK:
        return None
    try:
        with cpu_limit(_CPU_SECONDS):
            tree = TNEF(
                data + bytes(_SHORTEST), do_checksum=False
            )  # it leaves out a last attribute without more behind it
            _collect(tree, found, _DEPTH)
            text, html = _string(tree.body, tree.codepage), _string(tree.htmlbody, tree.codepage)
            return found._replace(text=text if text.strip() or html.strip() else _rich_text(tree), html=html)
    except CpuLimitError:
        return None
    except Exception:  # noqa: BLE001 - the library raises whatever Python raises on bytes that are not what it expects
        return None


def _rich_text(tree: Any) -> str:
    """Return the text of the compressed RTF that Outlook writes where it has no other text."""
    compressed = tree._rtfbody  # noqa: SLF001 - what the property makes of it needs another library
    rtf = decompress(compressed) if isinstance(compressed, bytes) else None
    try:
        return rtf_text(rtf, tree.codepage or _CODEPAGE) if rtf else ""
    except LookupError:  # Python does not know the codepage
        return rtf_text(rtf, _CODEPAGE) if rtf else ""


def _attributes(data: bytes) -> int:
    """Return how many attributes it has: the library copies the rest of the data for each."""
    count, at = 0, _HEADER
    while at + _SHORTEST <= len(data):
        at += int.from_bytes(data[at + 5 : at + 9], "little") + 11
        count += 1
    return count


def _collect(tree: Any, found: Unpacked, depth: int) -> None:
    for each in tree.attachments:
        if (inner := getattr(each, "embed", None)) is not None and depth:
            _collect(inner, found, depth - 1)
        elif isinstance(each.data, bytes) and each.data:
            found.files.append((_name(each), each.data))


def _name(attachment: Any) -> str:
    name = attachment.long_filename() if not isinstance(attachment._name, bytes) else attachment._name  # noqa: SLF001 - may not be UTF-8
    for one in (a.data for a in attachment.mapi_attrs if a.name == _LONG_FILENAME):
        name = one
    return _string(name, None)


_LONG_FILENAME = 0x3707


def _string(value: object, codepage: str | None) -> str:
    if isinstance(value, bytes):
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = value.decode(codepage or _CODEPAGE, "replace")
    else:
        text = value if isinstance(value, str) else ""
    return text.strip("\0").replace("\0", "")
