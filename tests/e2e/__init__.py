"""All stages together on real servers."""
