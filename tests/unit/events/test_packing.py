from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson
from hypothesis import given
from hypothesis import strategies as st

from battcrm.events.bus import Packed, pack, pack_text
from battcrm.events.catalogue import BY_TYPE, Envelope

envelopes = st.builds(
    Envelope,
    event_id=st.uuids(),
    tenant_id=st.uuids(),
    type=st.sampled_from(sorted(BY_TYPE)),
    version=st.integers(1, 9),
    key=st.uuids(),
    data=st.dictionaries(st.text(), st.none() | st.text() | st.integers(-(2**53), 2**53) | st.booleans()),
    occurred_at=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    seq=st.integers(0, 2**53),
)


@given(envelopes)
def test_an_event_survives_the_bus(event: Envelope) -> None:
    assert pack(event).event() == event


def test_text_of_the_database_is_carried_as_it_is() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=5)
    ids: list[UUID] = [uuid4() for _ in range(3)]
    text = '{"b":  1, "a": [1.50, "я"]}'
    packed = pack_text(ids[0], ids[1], "price.changed", 2, ids[2], text, moment, 9, only="graph")
    assert packed.only == "graph"
    assert packed.event() == Envelope(ids[0], ids[1], "price.changed", 2, ids[2], {"b": 1, "a": [1.5, "я"]}, moment, 9)


def test_the_body_names_no_person() -> None:
    event = Envelope(uuid4(), uuid4(), "client.updated", 1, uuid4(), {"version": 1}, datetime(2026, 1, 1, tzinfo=UTC))
    assert orjson.loads(Packed("client.updated", pack(event).body).body).keys() == {"i", "t", "v", "k", "d", "o", "s"}
