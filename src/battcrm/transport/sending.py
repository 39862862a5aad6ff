"""One command, several platform messages: what is true when a later one fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from battcrm.kit.errors import BattError, OutcomeUnknown
from battcrm.models.outgoing import Sent
from battcrm.transport.degrade import Piece

SendPiece = Callable[[Piece, int], Awaitable[Sent]]


async def send_pieces(pieces: Sequence[Piece], send: SendPiece, *, idempotent: bool = False) -> Sent:
    """Send the pieces in order; the answer names the last one, `extra_ids` the earlier ones.

    A failure of the first piece is raised as it is. After something was delivered a plain retry of the command would
    repeat it, so a later failure is OutcomeUnknown (code `partial`), unless sending is idempotent on this platform.
    """
    done: list[Sent] = []
    for index, piece in enumerate(pieces):
        try:
            done.append(await send(piece, index))
        except BattError as error:
            if not done or idempotent:
                raise
            text = f"{index} of {len(pieces)} parts were delivered, then: {error.text}"
            raise OutcomeUnknown(text, code="partial") from error
    earlier = tuple(s.message_id for s in done[:-1] if s.message_id)
    return Sent(done[-1].message_id, done[-1].seq, earlier)
