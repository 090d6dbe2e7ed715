"""Who needs a blob: ``email:<key>``, ``copy:<row id>`` or ``dead:<id>``, in the ``refs`` of its file document."""

from __future__ import annotations


def email_ref(key: str) -> str:
    """Return the reference of an email."""
    return f"email:{key}"


def copy_ref(row: str) -> str:
    """Return the reference of a copy that is not parsed yet."""
    return f"copy:{row}"


def dead_ref(letter: str) -> str:
    """Return the reference of a dead letter."""
    return f"dead:{letter}"
