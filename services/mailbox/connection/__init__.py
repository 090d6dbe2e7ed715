"""What every connection to a mail server needs: policy, network guard, TLS, SASL, credentials, refusals."""
