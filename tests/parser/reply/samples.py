"""Reads texts."""

from __future__ import annotations

from services.parser.reply.text import read_reply


def reply_text(text: str) -> str:
    """Return what a text says itself."""
    return read_reply(text).text


def snippet(text: str) -> str:
    """Return the start of what a text says."""
    return read_reply(text).snippet
