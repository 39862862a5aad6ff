"""What a command logs is no part of its result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from battcrm.cli.main import _root


@pytest.fixture
def configured() -> Iterator[None]:
    before = structlog.get_config()
    _root()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("configured")
def test_logs_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger("any").warning("channel.down", code="webhook_off")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "channel.down" in shown.err
