"""``python -m services.cli`` and the ``leadmail`` command."""

from __future__ import annotations

from services.cli.app import app


def main() -> None:
    """Run the command line."""
    app(prog_name="leadmail")


if __name__ == "__main__":
    main()
