"""The tree of commands. A subject is imported only when it is used, which halves the time until a command starts."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

SUBJECTS = {
    "user": "company.users:app",
    "account": "accounts.accounts:app",
    "company": "company.policy:app",
    "lead": "mail.records:leads",
    "contact": "mail.records:contacts",
    "emails": "mail.record_page:app",
    "email": "mail.email_page:app",
    "search": "mail.search:search_app",
    "thread": "mail.search:thread_app",
    "explain": "mail.explain:app",
    "dead-letters": "operations.dead_letters:app",
    "ledger": "operations.ledger:app",
    "privacy": "company.privacy:app",
    "audit": "company.audit:app",
    "status": "operations.status:app",
    "queues": "operations.queues:app",
    "doctor": "operations.doctor:app",
    "console": "company.console_link:app",
    "run": "operations.run:app",
    "setup": "operations.setup:app",
}
"""Each command or group of commands, and the module that defines it."""


class Subjects(TyperGroup):
    """The root group. It knows the names of its commands, and imports their modules only when needed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the interface of click
        """Return all names."""
        return list(SUBJECTS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the interface of click
        """Return a command or group. For an unknown name it loads all, so that click can suggest the nearest."""
        for name in [cmd_name] if cmd_name in SUBJECTS else SUBJECTS:
            if name not in self.commands:
                self.commands[name] = _command(name)
        return self.commands.get(cmd_name)


def _command(name: str) -> Any:
    module, _, attribute = SUBJECTS[name].partition(":")
    made = typer.main.get_command(getattr(import_module(f"services.cli.{module}"), attribute))
    made.name = name
    return made


app = typer.Typer(
    cls=Subjects,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Leadmail brings a company's mailboxes into its CRM.",
    epilog=(
        "Settings are environment variables, see docs/configuration.md. Exit codes: 0 done; 1 refused, or not found; "
        "2 wrong arguments or settings; 3 MongoDB or RabbitMQ does not answer."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"leadmail {metadata.version('leadmail')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Do nothing: typer needs a callback where it finds no commands."""
