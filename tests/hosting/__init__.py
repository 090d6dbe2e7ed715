"""The local servers of the test bed, and the README's walk on them."""
