"""Servers that run out of something, and mail that kills a process."""
