"""README's commands, typed in its order as it prints them, in a fresh folder and on servers of their own."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.processes.ports import free_port
from tests.contract.documents.blocks import IN_SHELL, ROOT, Block, blocks

pytestmark = [pytest.mark.servers, pytest.mark.containers, pytest.mark.timeout(900)]
OWN = {".git", ".testbed", ".venv", "deploy"}
"""What the folder does not share with the checkout."""


def fresh(folder: Path) -> Path:
    """Make what a reader has after `git clone` and `make setup`: links, but for what commands write to."""
    for path in ROOT.iterdir():
        if path.name not in OWN:
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("secrets", ".env"))
    return folder


class Reader:
    """Types blocks and compares what happens with what their comments say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = [
            "wrong=0",
            # Jobs get their own process groups, as at a prompt. What is set up already is not set up again.
            "set -m",
            'make() { command make --old-file=.venv/.ready "$@"; }',
            "confirmed() { for _ in {1..90}; do leadmail status | tee /dev/stderr | grep -q 'complete, confirmed' && return; done;",
            "return 1; }",
            "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT",
        ]
        self.outputs: list[tuple[Block, list[Path]]] = []

    def type(self, block: Block) -> None:
        """Add a block to what is typed."""
        if names := block.values("file"):
            self.script.append(f"cat >{names[0]} <<'WRITTEN'\n{block.typed}WRITTEN")
            return
        files = []
        for number, (command, code) in enumerate(block.commands):
            file = self.folder / "said" / f"{len(self.outputs)}-{number}"
            files.append(file)
            where = shlex.quote(f"{block.page}:{block.line}: {command}")
            self.script.append(f"{{ {command}\n}} >{file} 2>&1 </dev/null; code=$?")
            self.script.append(f"[ $code = {code} ] || {{ echo {where} exits $code; tail -n 20 {file}; wrong=9; }}")
        self.outputs.append((block, files))

    def run(self, environment: dict[str, str]) -> None:
        """Type everything in one shell; then check what was said."""
        (self.folder / "said").mkdir()
        typing = ["bash", "-c", "\n".join([*self.script, "exit $wrong"])]
        shell = subprocess.Popen(
            typing, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            said, _ = shell.communicate()
        finally:  # whatever it started, however this ends
            subprocess.run(["pkill", "-TERM", "-s", str(shell.pid)], check=False)
        wrong = [said] if shell.returncode else []
        for block, files in self.outputs:
            said = "".join(file.read_text(encoding="utf-8") for file in files)
            texts = [text for text in block.values("says") if (said.strip() if text == "nothing" else text not in said)]
            wrong += [f"{block.page}:{block.line} does not say {text!r}: {said}" for text in texts]
        assert not wrong, "\n".join(wrong)


def test_the_pages_work_as_they_stand(tmp_path: Path) -> None:
    """From README's first steps to a mailbox of the reader's own, every command exits as it should and says what it should."""
    folder = fresh(tmp_path)
    every = [block for page in IN_SHELL for block in blocks(page) if block.runs]
    (first,) = [block for block in every if "terminal" in block.comment.splitlines()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "150", "LEADMAIL_CONSOLE_PORT": str(free_port())}
    *before, start = [command for command, _ in first.commands]
    for command in before:
        prepared = ["bash", "-c", command.replace("make ", "make --old-file=.venv/.ready ")]
        subprocess.run(prepared, cwd=folder, env=environment, check=True)
    up = subprocess.Popen(
        ["bash", "-c", f"exec {start}"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        (last,) = first.values("says")
        assert any(last in line for line in up.stdout), "the servers did not start"
        reader = Reader(folder)
        for block in every:
            if block is not first:
                reader.type(block)
        reader.run(environment)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
