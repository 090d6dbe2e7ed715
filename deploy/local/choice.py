"""The choice between the two ways of hosting."""

from __future__ import annotations

import os
from collections.abc import Collection

from deploy.local.hosting import Hosting, Processes
from deploy.local.parts import HostingError

VARIABLE = "LEADMAIL_HOSTING"


def choose(wanted: str | None, names: Collection[str]) -> type[Hosting]:
    """Return the way of hosting, made ready for these parts.

    Args:
        wanted: "auto", "processes" or "containers"; None for what the environment's `LEADMAIL_HOSTING` says.
        names: the parts that will be started.

    Raises:
        HostingError: for another word, or when that way is not possible here.
    """
    way = wanted or os.environ.get(VARIABLE) or "auto"
    if way not in ("auto", "processes"):
        raise HostingError(f"{VARIABLE} is {way!r}: it must be auto, processes or containers")
    Processes.prepare(names)
    return Processes
