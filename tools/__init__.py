"""Derives documents and checks releases. Never part of a deployment."""
