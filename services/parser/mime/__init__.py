"""From raw bytes to a bounded tree of MIME parts (RFC 2045 to 2049, RFC 2231, RFC 5322)."""
