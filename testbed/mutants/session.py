"""Tries many wrong versions of one module: its tests are collected once, and each version gets a fork of that pytest session.

A fork exchanges the code of the module's functions, so that nothing is imported again, and runs only the tests that call the
broken function. What is wrong outside of functions cannot be tried in this way: ``run.tried`` does it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from testbed.mutants.exchange import exchanged, function_at, functions_of
from testbed.mutants.operators import Mutant
from testbed.mutants.run import PROJECT, Outcome, silenced

_LOOK_S = 0.005
_NOT_SO = "another way"
"""Written instead of an outcome when a version cannot be tried in this session."""
_FAILED = "failed"
_TRACED = 60
"""How many times ``seconds`` the tests may take in all while their calls are noted."""
_SLOWEST = 4
"""How many times as long as the unbroken module a version may take, beyond ``seconds``."""


class TestsFailError(RuntimeError):
    """The tests fail on the module as it is."""


def outcomes(
    file: Path, versions: Sequence[Mutant], tests: Sequence[str], *, seconds: float, servers: bool
) -> Iterator[Outcome | None]:
    """Iterate over what the tests said of each version, in order; None for one that has to be tried in another way.

    Raises:
        TestsFailError: the tests fail on the module as it is.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.close(read)
            _session(_Trial(file, versions, seconds, write), tests, servers=servers)
        os._exit(0)
    os.close(write)
    try:
        with os.fdopen(read) as lines:
            for _ in versions:
                said = lines.readline().strip()
                if said in (_FAILED, ""):
                    raise TestsFailError(f"{file.relative_to(PROJECT)}: its tests fail before anything is broken")
                yield None if said == _NOT_SO else Outcome(said)
    finally:
        os.waitpid(child, 0)


def _session(trial: _Trial, tests: Sequence[str], *, servers: bool) -> None:
    import pytest  # noqa: PLC0415 - it is loaded already; the parent does not need it

    silenced()
    marked = () if servers else ("-m", "not servers")
    pytest.main(["-q", "-p", "no:cacheprovider", *marked, *tests], plugins=[trial])
    trial.say(_FAILED)  # only reached by what ends a session before its tests


class _Trial:
    """A pytest plugin that tries versions instead of running the tests."""

    def __init__(self, file: Path, versions: Sequence[Mutant], seconds: float, write: int) -> None:
        self._file, self._versions, self._seconds, self._write = file, versions, seconds, write
        self._noticing = Counter[str]()
        """How often each test was the one that noticed: those are asked first."""

    def say(self, word: str) -> None:
        """Tell the parent."""
        os.write(self._write, f"{word}\n".encode())

    def pytest_runtestloop(self, session: Any) -> bool:
        """Try each version on the collected tests."""
        source = self._file.read_text("utf-8")
        functions = functions_of(str(self._file))
        _, calls = _forked(lambda: self._calls(session), _TRACED * self._seconds)
        if calls is None or not session.items:
            self.say(_FAILED)
            os._exit(1)
        for version in self._versions:
            name = function_at(source, version.line)
            known = [item for item in session.items if name in calls[item.nodeid]["functions"]]
            usual = {item.nodeid: float(calls[item.nodeid]["seconds"]) for item in known}
            known.sort(key=lambda item: (-self._noticing[item.nodeid], usual[item.nodeid]))
            if name is None or not (codes := exchanged(functions, version.source, str(self._file))):
                self.say(_NOT_SO)
                continue
            limit = self._seconds + _SLOWEST * sum(usual.values())
            ended, failed = _forked(partial(_noticed, session, known, codes), limit)
            self._noticing[str(failed)] += 1
            outcome = Outcome.TIMED_OUT if not ended else Outcome.SURVIVED if failed == "" else Outcome.KILLED
            self.say(outcome.value)
        os._exit(0)

    def _calls(self, session: Any) -> dict[str, dict[str, Any]] | None:
        """Run every test; return which of the module's functions each calls, and how long it takes. None if one fails."""
        called, found = set[str](), dict[str, dict[str, Any]]()
        name = str(self._file)

        def trace(frame: FrameType, _: str, __: object) -> None:
            if frame.f_code.co_filename == name:
                called.add(frame.f_code.co_qualname.partition(".<locals>")[0])

        threading.settrace(trace)
        sys.settrace(trace)
        for item, following in _pairs(session.items):
            called.clear()
            began = time.monotonic()
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            found[item.nodeid] = {"functions": sorted(called), "seconds": time.monotonic() - began}
        return None if session.testsfailed else found


def _pairs(items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(items, [*items[1:], None], strict=True)


def _noticed(session: Any, items: Sequence[Any], codes: Mapping[FunctionType, CodeType]) -> str:
    """Return the first test that fails with other code in the module's functions; an empty string if none does."""
    for function, code in codes.items():
        function.__code__ = code
    for item, following in _pairs(items):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return str(item.nodeid)
    return ""


def _forked(work: Callable[[], object], seconds: float) -> tuple[bool, Any]:
    """Run something in a fork; return whether it ended in time, and its result (None if it died)."""
    with tempfile.TemporaryFile("w+") as answer:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.setsid()
                json.dump(work(), answer)
                answer.flush()
            os._exit(0)
        deadline = time.monotonic() + seconds
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return False, None
            time.sleep(_LOOK_S)
        answer.seek(0)
        text = answer.read()
    try:
        return True, json.loads(text)
    except ValueError:
        return True, None
