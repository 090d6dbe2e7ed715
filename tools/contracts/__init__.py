"""Derives documents from the contracts, and checks the contracts against the last release.

- ``derived``: writes and checks the derived files
- ``asyncapi``: the AsyncAPI document
- ``released``: whether the contracts keep what the last release promised
"""
