"""Commands for operators: status, queues, ledger, dead letters, doctor, run, setup."""
