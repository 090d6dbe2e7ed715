"""Who may see what: users, rights, the guard, and everything people read by."""
