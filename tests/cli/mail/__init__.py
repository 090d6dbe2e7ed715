"""Records and their mail."""
