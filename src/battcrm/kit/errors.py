"""The error tree. Retry, dead letter and exit codes depend on the class alone, never on a vendor's wording."""

from __future__ import annotations


class BattError(Exception):
    """Base of every expected failure. `code` is stable and machine-readable, `text` is for people."""

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code or type(self).__name__


class Permanent(BattError):
    """Will never succeed as it stands: no retry, dead letter or failed."""


class Transient(BattError):
    """May succeed later, and nothing has happened yet. `retry_after` is in seconds, None = our own back-off."""

    def __init__(self, text: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(text, code=code)
        self.retry_after = retry_after


class RateLimited(Transient):
    """The other side asked us to slow down."""


class AuthExpired(BattError):
    """Credentials were refused: the channel or connector stops and its owner is told."""


class Conflict(BattError):
    """The state changed under us; the caller re-reads and decides again. May name the field and how to go on."""

    def __init__(self, text: str, *, field: str = "", remedy: str = "", code: str = "") -> None:
        super().__init__(text, code=code)
        self.field = field
        self.remedy = remedy


class Invalid(BattError):
    """Input that cannot be used. Names the field and says how to mend it."""

    def __init__(self, text: str, *, field: str = "", remedy: str = "", code: str = "") -> None:
        super().__init__(text, code=code)
        self.field = field
        self.remedy = remedy


class OutcomeUnknown(BattError):
    """A request may have taken effect (no answer, or a 5xx after the first byte). Never retried blindly."""


def wording(error: BaseException) -> str:
    """What an exception says for itself; the name of one that says nothing, as time-outs do."""
    return str(error) or type(error).__name__
