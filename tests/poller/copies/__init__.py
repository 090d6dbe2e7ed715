"""Single copies: their headers and flags."""
