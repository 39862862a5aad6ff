"""The tenant's settings of the dialogue machinery (section `dialog`)."""

from __future__ import annotations

from pydantic import Field

from battcrm.models.config import SECTIONS, Section


class DialogSettings(Section):
    """Debounce and turn limits. Seconds."""

    quiet: float = Field(2.5, ge=0, le=30, description="silence after which a burst is taken to be over")
    unfinished: float = Field(1.5, ge=0, le=30, description="added when the text looks unfinished or only greets")
    media: float = Field(6.0, ge=0, le=60, description="silence after a photo, file or voice message")
    cap: float = Field(12.0, ge=0, le=120, description="longest wait since the first unanswered message")
    reply_expires: float = Field(
        900.0, ge=10, le=86_400, description="a bot's reply older than this goes to the operator"
    )
    context_messages: int = Field(12, ge=1, le=50, description="messages of the episode given to a turn")
    human_returns: float = Field(4 * 3600.0, ge=60, description="silence of the operator after which the bot returns")
    unknown_resend: bool = Field(False, description="resend a message whose delivery cannot be known")


SECTIONS.register("dialog", DialogSettings)
