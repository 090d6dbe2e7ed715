"""Samples of replies from talon's tests (not part of the project): is our reply text what talon's tests expect?

They are read from the source of its tests, as published on PyPI: ``eq_(expected, quotations.extract_from_plain(body))``. A name
of a person, or a sign-off, that our reply text folds away as a signature is no difference: talon looks at quotes only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from services.parser.reply.text import read_reply
from testbed.parsing.comparison import read
from testbed.parsing.corpus import CORPUS, SHARED

TALON = SHARED / "talon"
"""An unpacked source distribution (``pip download --no-deps --no-binary :all: talon``), whose version does not matter."""
_MAILS = CORPUS / "mailgun__talon"


class Reply(NamedTuple):
    """A text with quotes, and what is left of it."""

    name: str
    body: str
    expected: str

    @property
    def right(self) -> bool:
        """Whether ours is the same but for white space and a signature."""
        ours, expected = "".join(read_reply(self.body).text.split()), "".join(self.expected.split())
        signed = "".join(read_reply(self.expected).text.split())
        return ours in (expected, signed)


def talon(folder: Path = TALON) -> Iterator[Reply]:
    """Yield the samples in talon's tests of plain text; none if they are not there."""
    source = folder / "tests" / "text_quotations_test.py"
    if not source.is_file():
        return
    for function in ast.parse(source.read_text("utf-8")).body:
        if isinstance(function, ast.FunctionDef) and not function.decorator_list:  # these change talon's own limits
            yield from _samples(function)


def talon_mails() -> Iterator[Reply]:
    """Yield talon's mails of the corpus, of common mail programs: the answer is in a file, or it is "Hello"."""
    for path in sorted((_MAILS / "tests" / "fixtures" / "standard_replies").glob("*.eml")):
        answer = _MAILS / "expected" / "tests" / "fixtures" / "standard_replies" / f"{path.stem}_reply_text"
        yield Reply(path.name, read(path).text, answer.read_text("utf-8") if answer.is_file() else "Hello")


def report() -> Iterator[str]:
    """Yield how many of the samples are right, and which are not."""
    for name, replies in (("talon's tests", list(talon())), ("talon's mails", list(talon_mails()))):
        right = sum(reply.right for reply in replies)
        yield f"{name}: {right} of {len(replies)} right" if replies else f"left out: {name}, which are not at {TALON}"
        yield from (f"    differs: {reply.name}" for reply in replies if not reply.right)
    yield "left out: email_reply_parser's mails, which no package index has"


def _samples(function: ast.FunctionDef) -> Iterator[Reply]:
    texts: dict[str, str] = {}
    for statement in function.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            if (text := _text(statement.value, texts)) is not None:
                texts[statement.targets[0].id] = text
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            arguments = statement.value.args
            if (
                len(arguments) > 1
                and isinstance(arguments[1], ast.Call)
                and "extract_from_plain" in ast.dump(arguments[1].func)
            ):
                expected, body = _text(arguments[0], texts), _text(arguments[1].args[0], texts)
                if expected is not None and body is not None:
                    yield Reply(f"{function.name}:{statement.lineno}", body, expected)


def _text(node: ast.expr, texts: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return texts.get(node.id) if isinstance(node, ast.Name) else None
