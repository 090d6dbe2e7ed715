"""What can be measured: writes ``docs/metrics.md`` and Grafana's dashboards, ``python -m deploy.metrics --check|--write``."""
