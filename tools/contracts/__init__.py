"""Derived contract documents, and the check of released contracts."""
