"""The blocks of commands in the pages, and what the comment in front of each says about running it.

``<!-- run`` with these lines, all optional, ``-->``:

- ``says TEXT``: the block prints it. A block that prints nothing has ``says nothing``.
- ``exits N: START``: the command that starts so exits with N. All others exit with 0.
- ``with OLD => NEW``: what the test types instead of a part that only the reader knows.
- ``file NAME``: the block is what the reader writes into a file.
- ``terminal``: the block runs in a terminal of its own, until the end; the next one waits for what it says.

``<!-- not run: WHY, and what is tested instead -->`` names a file of a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAMS = (
    *(
        "leadmail",
        "make",
        "docker",
        "kubectl",
        "kind",
        "python",
        "python3",
        ".venv/bin/python",
        "bash",
        "openssl",
        "git",
    ),
    *("cd", ".", "cat", "kill", "export", "alias", "umask", "(umask", "promtool", "pip", "curl"),
)
"""What a line starts with if it is a command."""


IN_SHELL = ("README.md",)
"""Pages whose blocks a shell runs, with servers of their own (tests/hosting/test_documents.py)."""
IN_PROCESS = ("docs/sharing.md", "docs/scim.md", "docs/operations.md")
"""Pages whose blocks are commands for a deployment that runs (tests/cli/test_pages.py). `$ANNA`, an administrator with a
mailbox, `$KIM`, a contact, `$OFFER`, an email, and `$LETTER`, a dead letter, are in it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block and its comment."""

    page: str
    line: int
    text: str
    comment: str

    @property
    def has_commands(self) -> bool:
        """Whether a reader types it."""
        lines = re.sub(r"^(?:[A-Z_]+=\S* +)+", "", self.text, flags=re.MULTILINE).splitlines()
        return any(line.split(maxsplit=1)[:1] in [[program] for program in PROGRAMS] for line in lines)

    @property
    def runs(self) -> bool:
        """Whether the test types it."""
        return bool(re.match(r"run\b", self.comment))

    @property
    def reason(self) -> str | None:
        """Why it is not run; None if the comment does not say so."""
        found = re.fullmatch(r"not run: (.+)", self.comment, re.DOTALL)
        return found[1] if found else None

    def values(self, word: str) -> list[str]:
        """Return what the lines of the comment that start with a word say."""
        lines = (line.strip() for line in self.comment.splitlines())
        return [line.removeprefix(word).strip() for line in lines if line == word or line.startswith(f"{word} ")]

    @property
    def typed(self) -> str:
        """What the test types."""
        text = self.text
        for change in self.values("with"):
            old, arrow, new = change.partition(" => ")
            assert arrow, change
            assert old in text, f"{self.page}:{self.line}: nothing to replace: {old}"
            text = text.replace(old, new)
        return text

    @property
    def commands(self) -> list[tuple[str, int]]:
        """The commands that the test types, each with its exit status."""
        lines = re.sub(r" *\\\n\s*", " ", self.typed).splitlines()
        exits = [value.partition(": ") for value in self.values("exits")]
        found = []
        for line in filter(None, map(str.strip, lines)):
            codes = [int(code) for code, _, start in exits if line.startswith(start)]
            found.append((line, codes[0] if codes else 0))
        return found


def blocks(page: str) -> Iterator[Block]:
    """Iterate over the blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in re.finditer(r"^( *)```[^\n]*\n(.*?)^\1```", text, re.DOTALL | re.MULTILINE):
        before = re.search(r"<!--((?:(?!-->).)*)-->\s*\Z", text[: found.start()], re.DOTALL)
        inside = re.sub(f"^{found[1]}", "", found[2], flags=re.MULTILINE)
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, inside, before[1].strip() if before else "")
