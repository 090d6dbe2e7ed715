"""Servers that send more, other, or differently than was asked for."""
