"""Every block of commands is run as a test, or says why not and what is tested instead. No servers."""

from __future__ import annotations

import re

import pytest

from tests.contract.documents.blocks import IN_PROCESS, IN_SHELL, ROOT, Block, blocks
from tests.contract.documents.test_names import PAGES

MARKED = [block for page in PAGES for block in blocks(page) if block.has_commands or block.comment]


@pytest.mark.parametrize("block", MARKED, ids=lambda block: f"{block.page}:{block.line}")
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    """A page's commands were typed as they stand, or its comment names the test that stands in for them."""
    if block.reason is None:
        assert block.runs, f"{block.page}:{block.line}: put <!-- run … --> or <!-- not run: WHY --> in front of it"
        assert block.page in (*IN_SHELL, *IN_PROCESS), f"no test runs {block.page}"
        assert block.values("says") or block.values("file"), f"{block.page}:{block.line}: what does it say?"
        assert block.typed
    else:
        named = re.findall(r"[\w./-]*(?:tests|\.github|\.ci|testbed)/[\w./-]+\w", block.reason)
        assert named, f"{block.page}:{block.line}: name what is tested instead"
        assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_check_finds_blocks() -> None:
    """Commands are told from diagrams and settings, and comments are read."""
    assert not Block("x", 1, "mailbox ──IMAP──> poller\n", "").has_commands
    assert not Block("x", 1, "LEADMAIL_URL=http://x\n", "").has_commands
    assert Block("x", 1, "LEADMAIL_URL=http://x make test\n", "").has_commands
    comment = "run\nwith ADDRESS => a@b.c\nexits 1: leadmail show\nsays yes"
    block = Block("x", 1, "leadmail add ADDRESS \\\n   --yes\n\nleadmail show\n", comment)
    assert block.commands == [("leadmail add a@b.c --yes", 0), ("leadmail show", 1)]
    assert block.values("says") == ["yes"]
    assert len([block for block in MARKED if block.runs]) > 10
