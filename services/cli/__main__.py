"""``python -m services.cli`` and the ``leadmail`` command."""

from __future__ import annotations

import atexit
import gc
import os

# A command loads no plugin of pydantic's: looking for some reads the metadata of every installed package.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

from services.cli.app import app

_COLLECT_AFTER = (50_000, 20, 20)
"""Thresholds of the generations (see ``gc.set_threshold``). By default, modules are searched for garbage while they are loaded."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(*_COLLECT_AFTER)
    atexit.register(gc.freeze)  # Python would search everything once more as it exits
    app(prog_name="leadmail")


if __name__ == "__main__":
    main()
