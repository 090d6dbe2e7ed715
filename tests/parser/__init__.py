"""From the bytes of a mail to its parts, on samples and on hostile mail."""
