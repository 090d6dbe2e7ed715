"""Commands for operators: ledger, dead letters, doctor, run, setup."""
