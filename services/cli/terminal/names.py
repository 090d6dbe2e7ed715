"""Arguments that name something, which the shell completes."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.terminal.completion import account_names

AccountName = Annotated[
    str,
    typer.Argument(metavar="ACCOUNT", autocompletion=account_names, help="The account's address or id."),
]
