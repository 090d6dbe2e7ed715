"""Leadmail on one machine with ``docker compose``; see docs/deployment.md.

- ``compose.yaml``     every service, with the settings files and scripts beside it
- ``make_secrets``     what ``make secrets`` runs
- ``demo``             fills the demo's mailboxes, inside a container
"""
