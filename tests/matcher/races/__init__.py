"""Several replicas at once: every order of their steps leads to the same state."""
