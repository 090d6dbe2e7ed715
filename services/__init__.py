"""Leadmail's services: one package a stage, and what they share (``runtime``, ``store``, ``mailbox``)."""
