"""`python -m testbed.identity` runs the identity server; `testbed.identity.part` starts that as a child process."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import uvicorn

from testbed.processes.users import MailUsers


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--users", type=Path, required=True)
    parser.add_argument("--clients", nargs="+", required=True, metavar="ID:SECRET")
    arguments = parser.parse_args()
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # on loopback only; authlib reads it when it is imported
    from testbed.identity.app import Pages  # noqa: PLC0415
    from testbed.identity.state import RegisteredApp, State  # noqa: PLC0415

    clients = [RegisteredApp(*text.split(":", 1)) for text in arguments.clients]
    state = State(f"http://{arguments.host}:{arguments.port}", {client.client_id: client for client in clients})
    users = MailUsers(arguments.users)
    state.is_user = users.knows
    app = Pages(state, users).app()
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
