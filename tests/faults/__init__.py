"""Stages that die at any step, and networks and servers that fail."""
