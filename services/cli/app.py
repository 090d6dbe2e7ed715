"""The tree of commands. The module of one is imported only when it is called: to print the help, nothing but typer is loaded."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.cli.lazy_commands import CommandEntry, lazy_group

ACCOUNT = {
    "add": CommandEntry(
        "accounts.connect:add", "Connect a mailbox: find its servers, try the login, choose who sees its mail, save."
    ),
    "import": CommandEntry(
        "accounts.importing:import_accounts",
        "Connect the mailboxes of a table, and say why those that failed did. What is connected already stays as it is.",
    ),
    "list": CommandEntry("accounts.accounts:list_accounts", "List all accounts."),
    "show": CommandEntry(
        "accounts.show:show", "Show an account: servers, sharing, folders, backfills, and messages by state."
    ),
    "pause": CommandEntry(
        "accounts.accounts:pause", "Stop synchronising an account until you resume it. No mail is lost in the meantime."
    ),
    "resume": CommandEntry(
        "accounts.accounts:resume",
        "Continue synchronising a paused or blocked account. It catches up with everything it missed.",
    ),
    "resync": CommandEntry(
        "accounts.accounts:resync",
        "Synchronise the whole mailbox again. The owner gets a confirmation when it is done.",
    ),
    "test": CommandEntry(
        "accounts.settings:try_login", "Test the account's login at its servers. Nothing is fetched or changed."
    ),
    "password": CommandEntry(
        "accounts.settings:password",
        "Save a new password for an account, if it works. A blocked account becomes active again.",
    ),
    "login": CommandEntry(
        "accounts.sign_in:login",
        "Sign in to a mailbox again at its mail service. A blocked account becomes active again; everything else stays.",
    ),
    "change": CommandEntry(
        "accounts.change:change",
        "Change servers, login name or password of a mailbox, if the login works. What was imported, sharing and confirmations stay.",
    ),
    "sharing": CommandEntry(
        "accounts.settings:sharing",
        "Show or change who can see the account's mail on its records. Sharing less takes effect immediately.",
    ),
    "folders": CommandEntry(
        "accounts.settings:folders",
        "Show or change which folders are synchronised. A change replaces the earlier settings.",
    ),
    "aliases": CommandEntry(
        "accounts.aliases:aliases",
        "Show or change the owner's other addresses. A claimed address has no effect until a code or an administrator proves it.",
    ),
    "confirm-address": CommandEntry(
        "accounts.aliases:confirm_address",
        "Confirm as an administrator that an address belongs to the owner of an account. The audit log records it.",
    ),
    "members": CommandEntry(
        "accounts.members:members",
        "Show or change the members of a shared mailbox. The first member that you add to a user's own mailbox makes it a shared one.",
    ),
    "remove": CommandEntry(
        "accounts.removal:remove",
        "Disconnect an account (its mail stays, its sharing is frozen) or, with --purge, delete everything that came from it.",
    ),
}
SUBJECTS = {
    "user": CommandEntry("company.users:app", "Users of the CRM: they own accounts and view records."),
    "account": CommandEntry(ACCOUNT, "Connected mailboxes."),
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


class Subjects(lazy_group(SUBJECTS)):  # type: ignore[misc]
    """The root group."""

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
        from importlib import metadata  # noqa: PLC0415 - slow to load, too

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
