"""The operator's overview: ``leadmail status``."""
