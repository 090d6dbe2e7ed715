"""Derives ``docs/commands.md`` from the commands and the models that they print.

- ``document``: the page, from the parameters that click knows
- ``results``: what ``--json`` prints, from the JSON schema of the models
"""
