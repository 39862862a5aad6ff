from __future__ import annotations

from pathlib import Path

from battcrm.events import reference
from battcrm.events.catalogue import EVENTS

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_catalogue_says() -> None:
    assert (ROOT / reference.PATH).read_text("utf-8") == reference.render(), "run: python -m battcrm.events.reference"


def test_every_event_has_its_section() -> None:
    page = reference.render()
    for event in EVENTS:
        assert f"### `{event.TYPE}`" in page
        assert (event.__doc__ or "")[:20] in page
