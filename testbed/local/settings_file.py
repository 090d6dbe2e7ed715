"""A file of settings, with which another terminal uses running servers: `. FILE`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

LEADMAIL = Path(sys.executable).with_name("leadmail")
"""The command that `make setup` puts beside Python."""


def write_settings(file: Path, settings: Mapping[str, str], **variables: str) -> None:
    """Write a file, readable by its owner only, that exports the `LEADMAIL_` settings and defines the `leadmail` command.

    Args:
        file: its folder is created.
        settings: an environment; what is not a setting of Leadmail is left out.
        variables: of the shell, for the reader's commands.
    """
    exported = {name: value for name, value in sorted(settings.items()) if name.startswith("LEADMAIL_")}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exported.items()]
    lines += [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append(f'leadmail() {{ {shlex.quote(str(LEADMAIL))} "$@"; }}')
    file.parent.mkdir(exist_ok=True)
    file.touch(mode=0o600)
    file.write_text("\n".join(lines) + "\n")
