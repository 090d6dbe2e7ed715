"""Real servers for tests and demo, sample mail, the demo, bench, chaos and mutants. Never part of a deployment."""
