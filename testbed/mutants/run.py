"""Runs one wrong version in a separate process: loads the module from its text, then runs the module's tests."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType

from testbed.local import LocalServers

PROJECT = Path(__file__).parents[2]
_LOOK_S = 0.01
running: list[LocalServers] = []
"""The servers that this process, or the one that it was forked from, shares with its tests."""
_HEAVY = (
    "pytest",
    "pytest_asyncio",
    "hypothesis",
    "hypothesis.strategies",
    "pydantic",
    "publicsuffixlist",
    "idna",
    "pymongo",
)
"""Loaded before the process forks, so that a mutant costs its tests and not these; nothing of ours."""


class Outcome(Enum):
    """The result of the tests on a wrong version."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMED_OUT = "timed out"


class _Loader(importlib.abc.Loader):
    """Loads one module from a text."""

    def __init__(self, file: Path, source: str) -> None:
        self._file = file
        self._source = source

    def exec_module(self, module: ModuleType) -> None:
        """Run the text as the module."""
        exec(compile(self._source, str(self._file), "exec"), module.__dict__)  # noqa: S102 - what a mutation tool does


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module in a text."""

    def __init__(self, name: str, file: Path, source: str) -> None:
        self._name, self._file, self._source = name, file, source

    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Return the module's place; None for any other."""
        del path, target
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, _Loader(self._file, self._source), origin=str(self._file))


@contextlib.contextmanager
def shared_servers() -> Iterator[LocalServers]:
    """Start the servers once; the tests of all mutants use them."""
    with LocalServers() as servers:
        running.append(servers)
        try:
            yield servers
        finally:
            running.clear()


def warm_up() -> None:
    """Load what every run needs."""
    for name in _HEAVY:
        importlib.import_module(name)


def tried(file: Path, source: str, tests: Sequence[str], *, seconds: float, servers: bool = False) -> Outcome:
    """Run a module's tests with ``source`` as the module, in a fork of this process."""
    child = os.fork()
    if child == 0:
        code = 2
        with contextlib.suppress(BaseException):
            code = _run(file, source, tests, servers=servers)
        os._exit(code)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return Outcome.SURVIVED if os.waitstatus_to_exitcode(status) == 0 else Outcome.KILLED
        time.sleep(_LOOK_S)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Outcome.TIMED_OUT


def silenced() -> None:
    """Discard what tests print, and run them in the project's folder."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    os.chdir(PROJECT)


def _run(file: Path, source: str, tests: Sequence[str], *, servers: bool) -> int:
    import pytest  # noqa: PLC0415 - it is loaded already; the parent does not need it

    silenced()
    name = ".".join(file.relative_to(PROJECT).with_suffix("").parts)
    assert name not in sys.modules, f"{name} was loaded before it was broken"
    sys.meta_path.insert(0, _Finder(name, file, source))
    return int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *(() if servers else ("-m", "not servers")), *tests]))
