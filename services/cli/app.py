"""The tree of commands."""

from __future__ import annotations

import typer

from services.cli import accounts, company, dead_letters, emails, records, run, status, users

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # they may hold passwords
    help="Leadmail brings a company's mailboxes into its CRM.",
)
app.add_typer(users.app, name="user")
app.add_typer(accounts.app, name="account")
app.add_typer(company.app, name="company")
app.add_typer(records.typer_of("lead"), name="lead")
app.add_typer(records.typer_of("contact"), name="contact")
app.command("emails")(emails.page)
app.add_typer(emails.app, name="email")
app.command("explain")(emails.explain)
app.add_typer(dead_letters.app, name="dead-letters")
app.command("status")(status.status)
app.command("run")(run.run)
