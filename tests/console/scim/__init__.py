"""SCIM over HTTP, as identity providers send it."""
