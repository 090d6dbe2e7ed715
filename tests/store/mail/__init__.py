"""Stored mail."""
