"""What can be measured: writes ``docs/metrics.md`` and Grafana's dashboards, ``python -m tools.metrics --check|--write``."""
