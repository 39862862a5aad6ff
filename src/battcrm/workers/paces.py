"""When batches leave on the way of a message, in seconds (docs/adr/0010).

What comes in gathers at the door, before anything has been promised, and goes through the rest together, unpaced; only
where turns end at times of their own do they wait for each other once more. An idle role starts at once.
"""

from __future__ import annotations

from typing import Final

DOOR: Final = 0.025
"""From the start of one commit to that of the next."""
COMMITS: Final = 0.015
"""How long the commit of a turn waits, at most, for others that are being worked on."""
OUTCOMES: Final = 0.1
"""From one record of what was sent to the next: nobody waits for it but a chat's next message."""
