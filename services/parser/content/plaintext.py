"""Text that people read: format=flowed undone, HTML turned into lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics

_LINE_ENDS = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_ASCII_CONTROL = bytes([*range(0x09), *range(0x0E, 0x20), 0x7F])
_ASCII_LINE_ENDS = bytes.maketrans(b"\r\v\f", b"\n\n\n")
_FILLER = re.compile("(?:[\u00ad\u034f\u180e\u200b-\u200f\u2060-\u2064\ufeff][ \u00a0\u2007]*){3,}")
"""Invisible characters in a row, which keep a mail's text out of its preview; single ones join letters in many languages."""
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u180e\u200b-\u200f\u2028\u2029\u2060-\u2064\ufeff]")
_SIGNATURE = "-- "

_STYLE = 2_000
_HIDDEN_STYLE = re.compile(
    r"(?:display:none|visibility:hidden|mso-hide:all|(?<!-)font-size:0(?:px|pt|em|%)?(?![\d.a-z%])|opacity:0(?![\d.]))(?!\w)"
)
_COLLAPSED = re.compile(r"(?<!-)(?:max-)?height:0(?:px|pt|em|%)?(?![\d.a-z%])")
_DROPPED = ["style", "script", "head", "title", "template", "noscript", "iframe", "object", "svg", "select", "textarea"]
_BLOCK = re.compile(
    r"<(/?)(?=[a-dfhlmnopstu])(br|p|div|td|th|li|h[1-6]|hr|table|tr|ul|ol|dl|dt|dd|blockquote|pre|center|address|article|aside|caption|details|"
    r"fieldset|figcaption|figure|footer|form|header|legend|main|nav|section|summary)(?![\w:-])[^<>]*>",
    re.IGNORECASE,
)
"""Looks at the first letter before it tries each of the names, which takes four times as long."""
_TAG_START = re.compile(r"<(/?)(?!(?:br|img|p|li|td|tr|hr|meta|link|input|col|wbr)(?![\w-]))[a-z]", re.IGNORECASE)
_TAG = re.compile(r"(<[^<>]{0,4000}>)")
_HIDING = re.compile(r"<(/?)(?:style|script|title|head|template|textarea)(?![\w-])", re.IGNORECASE)
_LONG_REFERENCE = re.compile(r"&#(?:\d{20}|[xX][0-9a-fA-F]{20})[0-9a-fA-F]*;?")
"""A character reference that names no character; int() raises for a number of thousands of digits."""
_PARSER_WORK = 50_000_000
"""Block elements times depth: an HTML parser looks through the open elements at every block (HTML standard, "in scope")."""
_PRE = re.compile(r"(<(/?)pre(?=[\s>]))", re.IGNORECASE)
_MARKS = re.compile("([\ue000-\ue006])")
_HIDE, _SHOW = "\ue005\ue006"
_HIDDEN = re.compile(f"([{_HIDE}{_SHOW}])")
"""Where an element that is not shown begins and ends."""
_LINE, _GAP, _QUOTE, _UNQUOTE, _BULLET = "\ue000\ue001\ue002\ue003\ue004"
"""Private use characters, taken out of the HTML before: where a line, a paragraph, a quote begins, where a quote ends, a list item."""
_MARK_OF = {"p": _GAP, "ul": _GAP, "ol": _GAP, "hr": _GAP, "li": _LINE + _BULLET, "blockquote": _QUOTE}
_MARK_OF |= {f"h{level}": _GAP for level in range(1, 7)}
_MARKED = frozenset((_LINE, _GAP, _QUOTE, _UNQUOTE, _BULLET))
_DEEPEST_QUOTE = 20


def clean_text(text: str) -> str:
    """Return text with LF line ends and without NUL and other control characters."""
    if text.isascii():
        data = text.encode("ascii").replace(b"\r\n", b"\n")
        return data.translate(_ASCII_LINE_ENDS, _ASCII_CONTROL).decode("ascii")
    if _ODD.search(usual := text.replace("\r\n", "\n")) is None:
        return usual
    return _CONTROL.sub("", _FILLER.sub(" ", _LINE_ENDS.sub("\n", text)))


def unflow(text: str, *, delete_space: bool) -> str:
    """Return format=flowed text (RFC 3676 section 4) with its paragraphs on one line each.

    ``delete_space`` is the parameter ``DelSp=yes``: the space at the end of a flowed line is not part of the text.
    """
    paragraphs: list[list[str]] = []
    open_depth: int | None = None
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        body = line[depth:].removeprefix(" ")
        flowed = body.endswith(" ") and body != _SIGNATURE
        piece = body[:-1] if flowed and delete_space else body
        if open_depth == depth and body != _SIGNATURE:
            paragraphs[-1].append(piece)
        else:
            paragraphs.append([">" * depth + " " if depth else "", piece])
        open_depth = depth if flowed else None
    return "\n".join("".join(paragraph) for paragraph in paragraphs)


def _marked(found: re.Match[str]) -> str:
    """Put a mark into the block that a tag opens or closes; text directly in a table or a row would be moved out of it."""
    tag, closing, name = found.group(0, 1, 2)
    name = name.lower()
    if name == "tr":
        return tag
    if (name == "table") is not (closing == "/"):
        return (_UNQUOTE if name == "blockquote" else _MARK_OF.get(name, _LINE)[0]) + tag
    return tag + _MARK_OF.get(name, _LINE)


def html_to_text(html: str, diagnostics: Diagnostics) -> str:
    """Return the visible text of HTML: a line a block, quotes (``blockquote``) marked by ``> `` as in plain text."""
    if len(html) > limits.CONVERTED_HTML:
        html = html[: limits.CONVERTED_HTML]
        diagnostics.cut()
    html = html if html.isascii() else _MARKS.sub("", html)
    if "</pre" in html or "</PRE" in html:
        html = _with_breaks(html)
    html, blocks = _BLOCK.subn(_marked, " ".join(html.split()))
    if diagnostics.careful or (blocks * html.count("<") > _PARSER_WORK and blocks * _depth(html) > _PARSER_WORK):
        diagnostics.defect("html")
        return _from_marks(_without_tags(html))
    try:
        tree = LexborHTMLParser(html)
        tree.strip_tags(_DROPPED, recursive=True)
        text = _visible_text(tree)
    except (SelectolaxError, RuntimeError, ValueError):
        diagnostics.defect("html")
        text = _without_tags(html)
    return _from_marks(text)


def _visible_text(tree: LexborHTMLParser) -> str:
    """Return the text of a page without the elements that are hidden, unless nothing else is in it: then a style shows them."""
    if tree.body is None:
        return ""
    hidden = [node for node in tree.body.css("[style], [hidden]") if _is_hidden(node.attributes)]
    for node in hidden:
        node.insert_before(_HIDE)
        node.insert_after(_SHOW)
    text = tree.body.text()
    if hidden:
        seen = _outside(text)
        text = seen if _MARKS.sub("", seen).strip() else _HIDDEN.sub("", text)
    return text if text.isascii() else _FILLER.sub(" ", text)


def _outside(text: str) -> str:
    """Return what is not between the marks of hidden elements, which may be within one another."""
    out: list[str] = []
    depth = 0
    for piece in _HIDDEN.split(text):
        depth += (piece == _HIDE) - (piece == _SHOW)
        if not depth and piece != _SHOW:
            out.append(piece)
    return "".join(out)


def _is_hidden(attributes: Mapping[str, str | None]) -> bool:
    style = "".join((attributes.get("style") or "")[:_STYLE].split()).lower()
    if "hidden" in attributes or (_HIDDEN_STYLE.search(style) is not None and "display:block" not in style):
        return True
    return "overflow:hidden" in style and _COLLAPSED.search(style) is not None


def _depth(html: str) -> int:
    """Return about how deep elements are within one another at most."""
    depth = deepest = 0
    for closing in _TAG_START.findall(html):
        depth = max(0, depth - 1) if closing else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _without_tags(html: str) -> str:
    """Return the text of HTML that no tree is made of: what is between ``<`` and ``>`` is left out, and scripts and styles."""
    out: list[str] = []
    hidden = False
    for piece in _TAG.split(html):
        if piece[:1] == "<":
            if (name := _HIDING.match(piece)) is not None:
                hidden = not name[1]
        elif not hidden:
            out.append(piece)
    return unescape(_LONG_REFERENCE.sub("\ufffd", "".join(out)))


def _with_breaks(html: str) -> str:
    """Return HTML with the line ends in its ``pre`` elements written as ``<br>``, since white space is collapsed next."""
    pieces = _PRE.split(html)
    out = [pieces[0]]
    for tag, closing, rest in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        start, end, inner = rest.partition(">")
        out += (tag, start, end, inner if closing else inner.replace("\r\n", "\n").replace("\n", "<br>"))
    return "".join(out)


def _from_marks(text: str) -> str:
    """Return text with its marks turned into line ends and ``> ``; never two empty lines in a row."""
    lines: list[str] = []
    line, bullet, depth, gap = "", "", 0, -1
    for piece in (*_MARKS.split(text), _LINE):
        if piece not in _MARKED:
            line += piece
            continue
        if line and (line := " ".join(line.split())):
            if gap >= 0 and lines:
                lines.append(_quoted("", min(gap, depth)))
            lines.append(_quoted(bullet + line, depth))
            line, bullet, gap = "", "", -1
        if piece == _BULLET:
            bullet = "- "
        elif piece != _LINE:
            gap = depth if gap < 0 else min(gap, depth)
            depth = max(0, depth + (piece == _QUOTE) - (piece == _UNQUOTE))
    return "\n".join(lines)


def _quoted(line: str, depth: int) -> str:
    return ("> " * min(depth, _DEEPEST_QUOTE) + line).rstrip() if depth else line
