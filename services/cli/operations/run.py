"""``leadmail run``: stages as child processes of one terminal. For a laptop and the demo; in production each runs separately."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from typing import Annotated

import typer

from services.cli.terminal.output import USAGE, fail, say
from services.cli.terminal.session import explained
from services.settings import PROCESSES, STAGES, ConsoleSettings

app = typer.Typer(add_completion=False)

OPTIONAL = ("console",)
"""Processes that run only when they are named."""
_LOOK_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a child gets when its parent dies, even by SIGKILL."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@app.command()
def run(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE...]", help=f"Some of: {', '.join(STAGES)}, {', '.join(OPTIONAL)}. Default: the four stages."
        ),
    ] = None,
) -> None:
    """Run all stages, or the named ones, until Ctrl-C. If one exits, the others stop. A second Ctrl-C stops them immediately."""
    known = (*STAGES, *OPTIONAL)
    if unknown := set(stages or ()) - set(known):
        fail(f"there is no stage {', '.join(sorted(unknown))}: choose from {', '.join(known)}", code=USAGE)
    names = tuple(name for name in known if name in (stages or STAGES))
    with explained():
        settings = [PROCESSES[name].read() for name in names]  # one error here instead of one from each child
    signals: list[int] = []
    for number in _SIGNALS:
        signal.signal(number, lambda got, _: signals.append(got))
    children = {name: _start(name) for name in names}
    say(f"Running {', '.join(names)}. Press Ctrl-C to stop.", style="dim")
    for one in settings:
        if isinstance(one, ConsoleSettings):
            say(f"The console is at {one.console_url}")
    ended = None
    while not signals and ended is None:
        time.sleep(_LOOK_SECONDS)
        ended = next((name for name, child in children.items() if child.poll() is not None), None)
    _end(list(children.values()), signals)
    if ended is not None:
        fail(f"the {ended} exited with code {children[ended].returncode}; the other processes were stopped")


def _start(stage: str) -> subprocess.Popen[bytes]:
    """Start a stage in its own process group: only this process gets Ctrl-C, and a second signal stops a stage immediately."""
    kernel = ctypes.CDLL(None)  # loaded before the fork, because as little as possible may happen after it

    def stop_with_parent() -> None:
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-m", f"services.{stage}"],
        process_group=0,
        preexec_fn=stop_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - we have no threads
    )


def _end(children: list[subprocess.Popen[bytes]], signals: list[int]) -> None:
    """Ask the children to stop, again for every further signal, and wait until they have."""
    passed_on = 0
    while any(child.poll() is None for child in children):
        while passed_on < max(len(signals), 1):
            for child in children:
                child.terminate()
            passed_on += 1
        time.sleep(_LOOK_SECONDS)
