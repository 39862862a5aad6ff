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
    context_messages: int = Field(24, ge=1, le=24, description="messages of the episode before the new ones in a turn")
    human_returns: float = Field(4 * 3600.0, ge=60, description="silence of the operator after which the bot returns")
    untaken_reminds: float = Field(
        900.0, ge=60, le=86_400, description="working time after which operators are reminded of a handover nobody took"
    )
    untaken_returns: float = Field(
        4 * 3600.0, ge=0, description="working time after which such a client is told and the bot returns; 0 = never"
    )
    untaken_keeps: frozenset[str] = Field(
        frozenset(
            {"warranty", "post_service", "legal", "personal_data_request", "negative_tone", "tenant_rule", "vip"}
        ),
        description="reasons of a handover that only a person may deal with: the client is told, the bot stays silent",
    )
    abandoned_days: int = Field(14, ge=1, le=365, description="days without a word after which an episode is abandoned")
    unknown_resend: bool = Field(False, description="resend a message whose delivery cannot be known")


SECTIONS.register("dialog", DialogSettings)
