"""Commands about users, the sharing policy, privacy and the audit log."""
