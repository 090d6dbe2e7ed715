"""What every process needs. It knows processes, and nothing about mail.

- ``process``: logs, database, health and metrics of one process, until it is stopped
- ``settings``, ``mail_settings``, ``people_settings``, ``environment``: the ``LEADMAIL_*`` variables
- ``mongo``: the connection to MongoDB
- ``http``: the health and metrics endpoint
- ``logs``, ``metrics``, ``otlp_exporter``: telemetry
- ``failures``: how an error is described in the log
- ``patient_threads``: threads for calls that may hang
- ``periodic``, ``tasks``, ``backoff``: helpers for asyncio
"""
