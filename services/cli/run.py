"""``leadmail run``: stages as child processes of one terminal. For a laptop and the demo; in earnest each runs on its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Annotated

import typer

from services.cli.output import fail, say
from services.runtime.settings import Stage, load_settings

STAGES: tuple[Stage, ...] = ("poller", "parser", "matcher", "notifier")
_LOOK_SECONDS = 0.2


def run(
    stages: Annotated[
        list[str] | None, typer.Argument(help=f"Some of: {', '.join(STAGES)}. All when left out.")
    ] = None,
) -> None:
    """Run all or some stages until Ctrl-C; one that ends by itself ends the others."""
    if unknown := set(stages or ()) - set(STAGES):
        fail(f"there is no stage {', '.join(sorted(unknown))}: take some of {', '.join(STAGES)}", code=2)
    names = tuple(name for name in STAGES if not stages or name in stages)
    for name in names:
        load_settings(name)  # one clear sentence here instead of four out of the children
    children = {name: subprocess.Popen([sys.executable, "-m", f"services.{name}"]) for name in names}  # noqa: S603 - ours
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopping.append(got))
    say(f"Running {', '.join(names)}. Ctrl-C ends them.", style="dim")
    ended = None
    while not stopping and ended is None:
        time.sleep(_LOOK_SECONDS)
        ended = next((name for name, child in children.items() if child.poll() is not None), None)
    for child in children.values():
        child.terminate()
    for child in children.values():
        child.wait()
    if ended is not None:
        fail(f"the {ended} ended with code {children[ended].returncode}: the others were ended, too")
