"""Groups of commands that know the names and the help of their commands, and import the module of the one that is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class CommandEntry(NamedTuple):
    """A command or group of commands."""

    place: str | Mapping[str, CommandEntry]
    """The module that defines it, and its name there; of a group whose commands are in several modules, these."""
    help: str
    """Of a command, the first paragraph of its help."""

    def load(self, name: str) -> Any:
        """Import it."""
        made = typer.main.get_command(_lazy_app(self.place) if isinstance(self.place, Mapping) else _app(self.place))
        made.name, made.help = name, made.help or self.help
        return made


class LazyGroup(TyperGroup):
    """A group of commands."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the interface of click
        """Return all names."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the interface of click
        """Return what the list of commands shows of one."""
        return TyperCommand(cmd_name, help=self.entries[cmd_name].help) if cmd_name in self.entries else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the called command, and the arguments that are left."""
        self.commands = {name: self.get_command(ctx, name) for name in self.entries}  # for the nearest to a wrong name
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.entries[str(name)].load(str(name)), rest


def lazy_group(entries: Mapping[str, CommandEntry]) -> type[LazyGroup]:
    """Return the class of a group of these commands, in the order of its help."""
    return type("Commands", (LazyGroup,), {"entries": entries})


def _lazy_app(entries: Mapping[str, CommandEntry]) -> typer.Typer:
    app = typer.Typer(cls=lazy_group(entries), no_args_is_help=True, add_completion=False)
    app.callback()(_nothing)
    return app


def _nothing() -> None:  # typer needs a callback where it finds no commands
    pass


def _app(place: str) -> typer.Typer:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"services.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return found
    app = typer.Typer(add_completion=False)
    app.command()(found)
    return app
