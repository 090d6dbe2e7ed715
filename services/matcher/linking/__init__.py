"""Which records an email is on, and why: worked out, stored, and kept in step."""
