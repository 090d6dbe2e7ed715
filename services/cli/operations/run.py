"""``leadmail run``: stages as child processes of one terminal. For a laptop and the demo; in earnest each runs on its own."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from typing import Annotated

import typer

from services.cli.terminal.output import fail, say
from services.cli.terminal.session import USAGE, explained
from services.settings import PROCESSES, STAGES

app = typer.Typer(add_completion=False)

MORE = ("console",)
"""What runs only when it is named."""
_LOOK_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a child gets when its parent dies, be it of SIGKILL."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@app.command()
def run(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE...]", help=f"Some of: {', '.join(STAGES)}, {', '.join(MORE)}. By default the four stages."
        ),
    ] = None,
) -> None:
    """Run the stages, or those that are named, until Ctrl-C; one that ends by itself ends the others. Ctrl-C again ends them at once."""
    known = (*STAGES, *MORE)
    if unknown := set(stages or ()) - set(known):
        fail(f"there is no stage {', '.join(sorted(unknown))}: take some of {', '.join(known)}", code=USAGE)
    names = tuple(name for name in known if name in (stages or STAGES))
    with explained():
        for name in names:
            PROCESSES[name].read()  # one clear sentence here instead of four out of the children
    told: list[int] = []
    for number in _SIGNALS:
        signal.signal(number, lambda got, _: told.append(got))
    children = {name: _start(name) for name in names}
    say(f"Running {', '.join(names)}. Ctrl-C ends them.", style="dim")
    ended = None
    while not told and ended is None:
        time.sleep(_LOOK_SECONDS)
        ended = next((name for name, child in children.items() if child.poll() is not None), None)
    _end(list(children.values()), told)
    if ended is not None:
        fail(f"the {ended} ended by itself (code {children[ended].returncode}); the others were ended, too")


def _start(stage: str) -> subprocess.Popen[bytes]:
    """Start a stage in a process group of its own: Ctrl-C is for us, and a stage that is told twice ends at once."""
    kernel = ctypes.CDLL(None)  # before the fork: afterwards as little as possible may happen

    def end_with_us() -> None:
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-m", f"services.{stage}"],
        process_group=0,
        preexec_fn=end_with_us if sys.platform == "linux" else None,  # noqa: PLW1509 - we have no threads
    )


def _end(children: list[subprocess.Popen[bytes]], told: list[int]) -> None:
    """Tell the children to stop, once more for every further signal, and wait until they have."""
    passed_on = 0
    while any(child.poll() is None for child in children):
        while passed_on < max(len(told), 1):
            for child in children:
                child.terminate()
            passed_on += 1
        time.sleep(_LOOK_SECONDS)
