"""Collects what is wrong with a mail while it is parsed."""

from __future__ import annotations

import re

from services.parser.mime import limits

_UNFIT = re.compile(r"[^a-z0-9._:+-]+")


class Diagnostics:
    """Collects defects (short words, each once, at most 20) and whether a limit cut something off.

    Args:
        careful: skip steps that may take long, for a mail that took too long before.
    """

    def __init__(self, *, careful: bool = False) -> None:
        self.careful = careful
        self._defects: dict[str, None] = {}
        self.truncated = False

    def defect(self, kind: str, detail: str = "") -> None:
        """Note a defect as ``kind`` or ``kind:detail``; the detail comes from the mail and is sanitised."""
        if len(self._defects) < limits.DEFECTS:
            word = _UNFIT.sub("", detail.lower())[:40]
            self._defects[f"{kind}:{word}" if word else kind] = None

    def cut(self) -> None:
        """Note that a limit cut something off."""
        self.truncated = True

    @property
    def defects(self) -> tuple[str, ...]:
        """The defects in the order in which they were noted."""
        return tuple(self._defects)
