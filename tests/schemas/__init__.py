"""The contracts' pure rules: addresses, keys, policies, sharing."""
