"""Models to BSON and back."""

from __future__ import annotations

from schemas.accounts import Account, Lease
from schemas.sharing import Mode, SharingPolicy
from services.store.core.documents import decode, encode
from tests.factories import account


def test_models_that_were_given_every_field_share_the_set_of_their_names() -> None:
    """Thousands are kept. A copy with changes has a set of its own, and so has a model that an older version stored."""
    document = encode(account("a@corp.com"))
    one, other = decode(Account, document), decode(Account, document)
    assert one == other
    assert one.model_fields_set is other.model_fields_set
    assert one.incoming.model_fields_set is other.incoming.model_fields_set
    changed = one.model_copy(update={"epoch": 7})
    assert (changed.epoch, one.epoch) == (7, 0)
    assert changed.model_fields_set is not one.model_fields_set
    del document["trouble"]
    assert decode(Account, document).model_fields_set == one.model_fields_set - {"trouble"}


def test_accounts_share_equal_rules_and_what_belongs_to_one_its_id() -> None:
    """Thousands are kept. Rules that differ stay apart."""
    first, second = account("a@corp.com"), account("b@corp.com")
    private = second.model_copy(update={"sharing": SharingPolicy(mode=Mode.PRIVATE)})
    one, other, apart = (decode(Account, encode(each)) for each in (first, second, private))
    assert one.sharing is other.sharing
    assert one.folders is other.folders
    assert apart.sharing == private.sharing
    lease = decode(Lease, {"account": "".join(one.id), "holder": "poller", "token": 1})
    assert lease.account is one.id
