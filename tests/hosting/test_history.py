"""What the database wrote is kept, so that a finding can be traced to its cause."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from testbed.chaos.proof.history import keep
from testbed.local import LocalServers


@pytest.mark.servers
async def test_the_writes_to_a_database_are_kept_in_order(
    servers: LocalServers, mongo_database: str, tmp_path: Path
) -> None:
    """Those of transactions, too; those to other databases and the text of mail are left out."""
    async with AsyncMongoClient[dict[str, object]](servers.mongo_url) as client:
        ours, other = client[mongo_database], client[f"{mongo_database}x"]
        await other["emails"].insert_one({"_id": "theirs"})
        await ours["emails"].insert_one({"_id": "one", "text": "private"})
        async with client.start_session() as session, await session.start_transaction():
            await ours["emails"].update_one({"_id": "one"}, {"$set": {"by_thread": True}}, session=session)
            await ours["links"].insert_one({"_id": "two"}, session=session)
        await client.drop_database(other.name)
    path = keep(servers.mongo_url, [mongo_database], tmp_path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    writes = [(line["ns"].partition(".")[2], line["op"]) for line in lines if line["op"] in "iud"]
    assert writes == [("emails", "i"), ("emails", "u"), ("links", "i")]
    assert "private" not in path.read_text()
    assert "theirs" not in path.read_text()
