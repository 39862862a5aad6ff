"""Keys of one list lie in one slot of a cluster."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from battcrm.kit.errors import Invalid
from battcrm.migration.queue.lists import tag_of


@pytest.mark.parametrize("queue", ["ai_extraction_queue", "{n8n}:ai", "a{b", "a{b}c{d}", "очередь", "x:{tag}"])
def test_processing_list_is_in_the_slot_of_the_list(queue: str) -> None:
    tag = tag_of(queue)
    for key in (f"{tag}:processing", f"{tag}:processing:w1", f"{tag}:alive:w1"):
        assert key_slot(key.encode()) == key_slot(queue.encode()), key


@pytest.mark.parametrize("queue", ["a}b", "{}b", "a{}"])
def test_names_that_no_tag_can_follow_are_refused(queue: str) -> None:
    with pytest.raises(Invalid):
        tag_of(queue)
