"""From an e-mail address to its servers: the provider directory, DNS, autoconfig, probes."""
