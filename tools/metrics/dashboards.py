"""What Grafana shows: ``deploy/grafana/dashboards/*.json`` are made from this."""

from __future__ import annotations

from tools.metrics.grafana import Panel


def _p95(metric: str, by: str, where: str = "") -> str:
    return f"histogram_quantile(0.95, sum by ({by}, le) (rate({metric}_bucket{{{where}}}[$__rate_interval])))"


def _or_none(expression: str) -> str:
    """Return an expression that is 0 where nothing was counted yet: a reader cannot tell "No data" from a panel that is broken."""
    return f"{expression} or on () vector(0)"


def _rate(metric: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


_EXPECTED, _DONE = "leadmail_backfill_expected_messages", "leadmail_backfill_done_messages"
_IMAP = "leadmail_imap_command_seconds"

DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "pipeline": (
        "Leadmail: pipeline",
        (
            Panel(
                "New mail: from notice to visible",
                "s",
                (
                    (
                        'histogram_quantile(0.5, sum by (le) (rate(leadmail_visible_seconds_bucket{lane="live"}[5m])))',
                        "half",
                    ),
                    (
                        'histogram_quantile(0.95, sum by (le) (rate(leadmail_visible_seconds_bucket{lane="live"}[5m])))',
                        "95 of 100",
                    ),
                    (
                        'histogram_quantile(0.99, sum by (le) (rate(leadmail_visible_seconds_bucket{lane="live"}[5m])))',
                        "99 of 100",
                    ),
                ),
                text="The objective is 99 of 100 within a second.",
            ),
            Panel(
                "Oldest unfinished copy",
                "s",
                (
                    (
                        _or_none("max by (account_state) (leadmail_ledger_oldest_unfinished_seconds)"),
                        "{{account_state}} accounts",
                    ),
                ),
            ),
            Panel(
                "Unfinished copies",
                "short",
                (
                    (
                        _or_none("sum by (account_state, state) (leadmail_ledger_unfinished)"),
                        "{{state}}, {{account_state}} accounts",
                    ),
                ),
            ),
            Panel(
                "Repaired by comparison with the server",
                "short",
                ((_or_none("sum by (what) (increase(leadmail_poller_mended_total[1h]))"), "{{what}}, in an hour"),),
            ),
            Panel(
                "Later than a second",
                "percentunit",
                (
                    (_or_none("leadmail:visible_late:ratio_1h"), "last hour"),
                    (_or_none("leadmail:visible_late:ratio_6h"), "last six hours"),
                ),
            ),
            Panel(
                "Dead letters that wait",
                "short",
                ((_or_none("max(leadmail_dead_letters_waiting)"), "dead letters"),),
                last=True,
            ),
            Panel(
                "Messages handled", "ops", ((_rate("leadmail_messages_total", "queue", 'outcome="done"'), "{{queue}}"),)
            ),
            Panel(
                "Waiting in the queue (95 of 100)", "s", ((_p95("leadmail_message_age_seconds", "queue"), "{{queue}}"),)
            ),
            Panel("Handling a batch (95 of 100)", "s", ((_p95("leadmail_handling_seconds", "queue"), "{{queue}}"),)),
            Panel(
                "Final states of copies",
                "ops",
                ((_rate("leadmail_matcher_copies_total", "state, reason"), "{{state}} {{reason}}"),),
            ),
            Panel(
                "Retries", "ops", ((_or_none(_rate("leadmail_retries_total", "queue, error")), "{{queue}}: {{error}}"),)
            ),
            Panel(
                "New dead letters",
                "ops",
                ((_or_none(_rate("leadmail_dead_letters_total", "queue, reason")), "{{queue}}: {{reason}}"),),
            ),
            Panel("Published", "ops", ((_rate("leadmail_published_total", "routing_key"), "{{routing_key}}"),)),
            Panel(
                "Refused by a full queue",
                "ops",
                ((_or_none(_rate("leadmail_publish_refusals_total", "routing_key")), "{{routing_key}}"),),
            ),
            Panel(
                "Mails to owners",
                "ops",
                ((_or_none(_rate("leadmail_notifier_mails_total", "mail, outcome")), "{{mail}} {{outcome}}"),),
            ),
        ),
    ),
    "accounts": (
        "Leadmail: accounts",
        (
            Panel("Accounts", "short", ((_or_none("sum by (state) (leadmail_accounts)"), "{{state}}"),)),
            Panel(
                "Blocked, and why",
                "short",
                (
                    (
                        _or_none('sum by (reason, provider) (leadmail_accounts{state="blocked"})'),
                        "{{provider}}: {{reason}}",
                    ),
                ),
            ),
            Panel(
                "Active but in trouble, and why",
                "short",
                ((_or_none("sum by (code) (leadmail_accounts_in_trouble)"), "{{code}}"),),
            ),
            Panel("Active accounts by poller", "short", (("leadmail_poller_accounts", "{{instance}}"),)),
            Panel("Open backfills", "short", (("sum by (state) (leadmail_backfills)", "{{state}}"),)),
            Panel(
                "Backfills: done",
                "percentunit",
                ((_or_none(f"{_DONE} / ({_EXPECTED} > 0)"), "done"),),
                last=True,
            ),
            Panel(
                "Backfills: time left",
                "s",
                (
                    (
                        f"({_EXPECTED} - {_DONE}) / clamp_min(deriv({_DONE}[10m]), 0.1)",
                        "left",
                    ),
                ),
            ),
            Panel(
                "Backfill messages finished", "ops", ((_rate("leadmail_visible_seconds_count", "lane"), "{{lane}}"),)
            ),
            Panel(
                "Slowest backfill has not moved for",
                "s",
                (("max(leadmail_backfill_standstill_seconds)", "standstill"),),
            ),
            Panel("Confirmations due", "short", (("max(leadmail_confirmations_due)", "due"),)),
            Panel(
                "Log-ins that fail",
                "ops",
                (
                    (
                        _or_none(_rate("leadmail_imap_login_failures_total", "provider, reason")),
                        "{{provider}}: {{reason}}",
                    ),
                ),
            ),
            Panel(
                "Accounts whose last log-in failed",
                "short",
                ((_or_none("sum by (provider) (leadmail_imap_accounts_failing)"), "{{provider}}"),),
            ),
            Panel("Leases", "ops", ((_rate("leadmail_poller_leases_total", "event"), "{{event}}"),)),
        ),
    ),
    "servers": (
        "Leadmail: servers",
        (
            Panel(
                "Targets that answer", "short", (('sum by (job) (up{job=~"(.+/)?(leadmail|rabbitmq)"})', "{{job}}"),)
            ),
            Panel(
                "Connected to RabbitMQ",
                "short",
                (("sum by (stage, purpose) (leadmail_broker_connected)", "{{stage}} {{purpose}}"),),
            ),
            Panel(
                "RabbitMQ's alarms",
                "short",
                (
                    ("max(rabbitmq_alarms_memory_used_watermark)", "memory"),
                    ("max(rabbitmq_alarms_free_disk_space_watermark)", "disk"),
                ),
                last=True,
            ),
            Panel(
                "Queues: ready", "short", (("max by (queue) (rabbitmq_detailed_queue_messages_ready)", "{{queue}}"),)
            ),
            Panel(
                "Queues: in progress",
                "short",
                (("max by (queue) (rabbitmq_detailed_queue_messages_unacked)", "{{queue}}"),),
            ),
            Panel("Queues: consumers", "short", (("max by (queue) (rabbitmq_detailed_queue_consumers)", "{{queue}}"),)),
            Panel(
                "RabbitMQ's memory",
                "bytes",
                (
                    ("rabbitmq_process_resident_memory_bytes", "{{instance}}"),
                    ("rabbitmq_resident_memory_limit_bytes", "{{instance}}: limit"),
                ),
            ),
            Panel(
                "RabbitMQ's free disk",
                "bytes",
                (
                    ("rabbitmq_disk_space_available_bytes", "{{instance}}"),
                    ("rabbitmq_disk_space_available_limit_bytes", "{{instance}}: limit"),
                ),
            ),
            Panel(
                "Processors used by stages",
                "short",
                (('rate(process_cpu_seconds_total{job=~"(.+/)?leadmail"}[$__rate_interval])', "{{instance}}"),),
            ),
            Panel(
                "Memory of stages", "bytes", (('process_resident_memory_bytes{job=~"(.+/)?leadmail"}', "{{instance}}"),)
            ),
            Panel(
                "Open files and connections", "short", (('process_open_fds{job=~"(.+/)?leadmail"}', "{{instance}}"),)
            ),
            Panel(
                "Processes that know MongoDB's primary",
                "short",
                (("sum by (stage) (leadmail_mongo_primary)", "{{stage}}"),),
            ),
            Panel(
                "MongoDB: seconds per answer (95 of 100)",
                "s",
                ((_p95("leadmail_mongo_command_seconds", "command"), "{{command}}"),),
            ),
            Panel(
                "MongoDB: commands that fail",
                "ops",
                ((_or_none(_rate("leadmail_mongo_errors_total", "stage, error")), "{{stage}}: {{error}}"),),
            ),
            Panel(
                "MongoDB: wait for a connection (95 of 100)",
                "s",
                ((_p95("leadmail_mongo_pool_wait_seconds", "stage"), "{{stage}}"),),
            ),
            Panel("IMAP connections", "short", (("sum by (provider) (leadmail_imap_connections)", "{{provider}}"),)),
            Panel(
                "IMAP commands",
                "ops",
                ((_rate("leadmail_imap_command_seconds_count", "provider, command"), "{{provider}} {{command}}"),),
            ),
            Panel(
                "IMAP: seconds per answer",
                "s",
                (
                    (
                        f"{_rate(f'{_IMAP}_sum', 'provider, command')} / {_rate(f'{_IMAP}_count', 'provider, command')}",
                        "{{provider}} {{command}}",
                    ),
                ),
            ),
            Panel(
                "IMAP traffic",
                "Bps",
                ((_rate("leadmail_imap_bytes_total", "provider, direction"), "{{provider}} {{direction}}"),),
            ),
        ),
    ),
}
