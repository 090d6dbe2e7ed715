"""The matcher: links, sharing and everything that changes them."""
