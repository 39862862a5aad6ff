"""Tables for a terminal of any width."""

from __future__ import annotations

from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

_ID_CHARS: Final = 36


def table_with_id(*titles: str) -> Table:
    """A table whose `id` column is never cut short: commands ask for it back. The other columns fold instead."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        whole = title == "id"
        table.add_column(title, overflow="fold", no_wrap=whole, min_width=_ID_CHARS if whole else None)
    return table
