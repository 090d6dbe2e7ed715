"""The tree of commands. A subject is imported only when it is called: to print the help, nothing but typer is loaded."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class CommandEntry(NamedTuple):
    """A command or group of commands."""

    place: str
    """The module that defines it, and its name there."""
    help: str
    """Of a command, the first paragraph of its help."""


SUBJECTS = {
    "user": CommandEntry("company.users:app", "Users of the CRM: they own accounts and view records."),
    "account": CommandEntry("accounts.accounts:app", "Connected mailboxes."),
    "company": CommandEntry("company.policy:app", "The company's sharing policy, which overrides users' settings."),
    "lead": CommandEntry("mail.records:leads", "Leads of the CRM."),
    "contact": CommandEntry("mail.records:contacts", "Contacts of the CRM."),
    "emails": CommandEntry(
        "mail.record_page:app",
        "Show a record page: the mail of a lead or contact that the viewer can see, newest first.",
    ),
    "email": CommandEntry("mail.email_page:app", "One email."),
    "search": CommandEntry(
        "mail.search:search_app",
        "Search subjects, text, names, addresses and file names of the mail that the viewer can see; newest first.",
    ),
    "thread": CommandEntry(
        "mail.search:thread_app", "Show those emails of a thread that the viewer can see; oldest first."
    ),
    "explain": CommandEntry(
        "mail.explain:app", "Explain which copy, rule and domain decide whether the viewer sees an email on a record."
    ),
    "dead-letters": CommandEntry("operations.dead_letters:app", "Messages that could not be processed."),
    "ledger": CommandEntry("operations.ledger:app", "The ledger: one row per message."),
    "privacy": CommandEntry(
        "company.privacy:app",
        "Requests of data subjects, carried out by an administrator: export or erase what is stored about an address.",
    ),
    "audit": CommandEntry(
        "company.audit:app",
        "Show who changed what, newest first: sharing, accounts, users, dead letters, exports, erasures. "
        "Entries are never deleted.",
    ),
    "status": CommandEntry(
        "overview.status:app",
        "Show accounts, backfill progress (with --watch also the time left), queues and the oldest unfinished copy.",
    ),
    "queues": CommandEntry(
        "overview.queues:app",
        "Show every queue: messages waiting, how many it takes, in progress, consumers, rates. "
        "Empty delay and isolation queues are hidden.",
    ),
    "doctor": CommandEntry(
        "operations.doctor:app",
        "Check servers, sign-in services, stages, settings and certificates, and say what to do. Exits 1 if something is wrong.",
    ),
    "scim": CommandEntry(
        "company.scim:app", "Tokens by which the company's identity provider manages users and groups (SCIM 2.0)."
    ),
    "console": CommandEntry("company.console_link:app", "The web console."),
    "run": CommandEntry(
        "operations.run:app",
        "Run all stages, or the named ones, until Ctrl-C. If one exits, the others stop. "
        "A second Ctrl-C stops them immediately.",
    ),
    "setup": CommandEntry(
        "operations.setup:app",
        "Create missing collections, indexes, queues and bindings, and migrate. "
        "Safe to run at any time, any number of times.",
    ),
    "init": CommandEntry(
        "init:app",
        "Write the settings and a new secret key of a deployment into a folder, once. It never replaces either of them.",
    ),
    "secrets": CommandEntry(
        "operations.secret_keys:app", "The deployment's secret: which one is needed, and replacing it."
    ),
}
"""All commands, in the order of the help."""


class Subjects(TyperGroup):
    """The root group. It knows the names and the help of its commands, and imports the module of the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the interface of click
        """Return all names."""
        return list(SUBJECTS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the interface of click
        """Return what the list of commands shows of one."""
        return TyperCommand(cmd_name, help=SUBJECTS[cmd_name].help) if cmd_name in SUBJECTS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the called command, and the arguments that are left."""
        self.commands = {name: self.get_command(ctx, name) for name in SUBJECTS}  # for the nearest to a wrong name
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the called command. Of a value that typer has pydantic check, say what is wrong in our own words."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            from pydantic import ValidationError  # noqa: PLC0415 - it is slow to load, and most values are right

            from services.runtime.environment import reason  # noqa: PLC0415

            if isinstance(error.__cause__, ValidationError):
                error.message = reason(error.__cause__)
            raise


def load(name: str) -> Any:
    """Import a command or group."""
    module, _, attribute = SUBJECTS[name].place.partition(":")
    made = typer.main.get_command(getattr(import_module(f"services.cli.{module}"), attribute))
    made.name, made.help = name, made.help or SUBJECTS[name].help
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
