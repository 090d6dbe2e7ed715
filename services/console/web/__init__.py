"""From a request to a response: sessions, forms, headers, templates."""
