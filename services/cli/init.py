"""``leadmail init``: writes the settings and the secret key of a deployment, once."""

from __future__ import annotations

import base64
import os
import secrets
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.terminal.output import USAGE, fail, say
from services.cli.terminal.session import explained
from services.runtime.environment import KEY_BYTES
from services.settings import CliSettings

app = typer.Typer(add_completion=False)

SETTINGS, KEY = "leadmail.env", "secret_key"
_SECRET = "LEADMAIL_SECRET_KEY"  # noqa: S105 - the name of a setting


@app.command()
def init(
    rabbitmq: Annotated[str, typer.Option("--rabbitmq-url", prompt="RabbitMQ (amqp://user:password@host:5672/vhost)")],
    mongo: Annotated[str, typer.Option("--mongo-url", prompt="MongoDB (mongodb://host:27017/?replicaSet=rs0)")],
    smtp: Annotated[str, typer.Option("--smtp-url", prompt="SMTP (smtp://user:password@host:587)")],
    sender: Annotated[
        str, typer.Option("--mail-from", prompt="Sender of confirmations (Leadmail <leadmail@example.com>)")
    ],
    folder: Annotated[Path, typer.Option(file_okay=False, exists=True, help="Where to write them.")] = Path(),
) -> None:
    """Write the settings and a new secret key of a deployment into a folder, once. It never replaces either of them.

    The secret key seals the mailboxes' passwords. If the folder has one already, it stays, and only missing settings are written.
    """
    settings, key = folder.resolve() / SETTINGS, folder.resolve() / KEY
    if settings.exists():
        fail(f"{settings} already exists: nothing was written. Change it with an editor, or choose another --folder")
    if not key.exists() and (found := {_SECRET, f"{_SECRET}_FILE"} & os.environ.keys()):
        fail(
            f"{min(found)} is set, so there is a secret key already, and a second one would open no mailbox: nothing was "
            f"written. Copy it to {key}, and unset the variable"
        )
    for option, value, schemes in (
        ("--rabbitmq-url", rabbitmq, ("amqp://", "amqps://")),
        ("--mongo-url", mongo, ("mongodb://", "mongodb+srv://")),
        ("--smtp-url", smtp, ("smtp://", "smtps://")),
    ):
        if not value.startswith(schemes):
            fail(f"{option} has to start with {' or '.join(schemes)}: nothing was written", code=USAGE)
    values = {
        "LEADMAIL_RABBITMQ_URL": rabbitmq,
        "LEADMAIL_MONGO_URL": mongo,
        "LEADMAIL_SMTP_URL": smtp,
        "LEADMAIL_MAIL_FROM": sender,
        f"{_SECRET}_FILE": str(key),
    }
    made = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    checked = {**values, _SECRET: ""} if key.exists() else {**values, f"{_SECRET}_FILE": "", _SECRET: made}
    os.environ.update(checked)
    with explained():
        CliSettings.read()
    program = Path(sys.argv[0]).resolve()
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    lines += [f'leadmail() {{ {shlex.quote(str(program))} "$@"; }}'] if program.name == "leadmail" else []
    if not key.exists():
        _write(key, made)
        say(f"{key}: keep a copy somewhere else. Without it, no one can open the saved passwords.")
    _write(settings, "\n".join(lines))
    say(f"{settings}: read it in each terminal with `. {settings}`.")


def _write(path: Path, text: str) -> None:
    """Write a new file that only its owner can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
