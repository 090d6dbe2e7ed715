"""Derives ``docs/commands.md`` from the commands."""
