"""Rules about the source, derived files, documents and released contracts. None needs a server."""
