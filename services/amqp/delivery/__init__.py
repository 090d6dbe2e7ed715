"""From an incoming message to a settled one, whichever bus carries it."""
