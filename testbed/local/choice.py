"""The choice between the two ways of hosting."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection

from testbed.local.containers import Containers
from testbed.local.hosting import Hosting, Processes
from testbed.local.images import engine_answers
from testbed.processes.parts import HostingError

VARIABLE = "LEADMAIL_HOSTING"


def choose(wanted: str | None, names: Collection[str]) -> type[Hosting]:
    """Return the way of hosting, prepared for these parts (minutes the first time, nothing after that).

    Args:
        wanted: "auto" (containers where a Docker engine answers and has or gets the images), "processes" or
            "containers"; None for what the environment's `LEADMAIL_HOSTING` says, which is auto where unset.
        names: the parts that will be started.

    Raises:
        HostingError: for another word, or when that way is not possible here.
    """
    way = wanted or os.environ.get(VARIABLE) or "auto"
    if way not in ("auto", "processes", "containers"):
        raise HostingError(f"{VARIABLE} is {way!r}: it must be auto, processes or containers")
    if way == "containers" or (way == "auto" and engine_answers()):
        try:
            Containers.prepare(names)
        except HostingError as error:
            if way == "containers":
                raise
            print(f"containers are not possible here, so processes it is: {error}", file=sys.stderr)  # noqa: T201
        else:
            return Containers
    Processes.prepare(names)
    return Processes
