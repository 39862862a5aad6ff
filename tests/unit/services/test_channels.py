"""What the command line takes, what owners read, and which secrets are ours to invent."""

from __future__ import annotations

from pathlib import Path

import pytest

from battcrm.cli.channel import _secrets, _settings
from battcrm.kit.errors import Invalid
from battcrm.services.channels_life import _completed
from battcrm.services.channels_texts import NEXT, NOTES, STATES, mending, state_name
from battcrm.transport.registry import manifest_of


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("1:b\n")
    monkeypatch.setenv("BOT", "1:c")
    assert _secrets(["token=1:a=x", "a=env:BOT", f"b=@{file}"]) == {"token": "1:a=x", "a": "1:c", "b": "1:b"}


@pytest.mark.parametrize("given", ["token", "=1:a", "token=", "token=env:NOT_SET_ANYWHERE", "token=@/nowhere/at/all"])
def test_unusable_secrets_are_refused_without_repeating_them(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        _secrets([given])
    assert "1:a" not in refused.value.text


def test_a_secret_without_its_name_is_not_repeated() -> None:
    with pytest.raises(Invalid) as refused:
        _secrets(["7012345678:AAHdemo"])
    assert "AAHdemo" not in f"{refused.value.text}{refused.value.remedy}"


def test_settings_are_json_where_they_are() -> None:
    assert _settings(["transcribe=true", "base_url=http://a", "list=[1]"]) == {
        "transcribe": True,
        "base_url": "http://a",
        "list": [1],
    }


def test_secrets_of_ours_are_invented_once() -> None:
    manifest = manifest_of("telegram")
    first, second = _completed(manifest, {"token": " 1:a "}), _completed(manifest, {"token": "1:a"})
    assert first["token"] == "1:a"
    assert first["webhook_secret"] != second["webhook_secret"]
    assert len(first["webhook_secret"]) <= 50
    assert first["webhook_secret"].isalnum()
    assert _completed(manifest, first) == first


def test_a_secret_that_only_the_owner_knows_is_asked_for() -> None:
    with pytest.raises(Invalid) as refused:
        _completed(manifest_of("whatsapp"), {"token": "a"})
    assert refused.value.field == "app_secret"


@pytest.mark.parametrize("locale", ["ru", "en"])
def test_every_bad_state_says_what_to_do(locale: str) -> None:
    for state in ("degraded", "unreachable", "token_revoked"):
        for code in ("", "webhook_off", "deliveries_fail", "anything"):
            text = mending(state, code, locale, channel="C", url="https://bot.example")
            assert text
            assert "{" not in text
    assert mending("ok", "", locale, channel="C", url="") is None


def test_every_text_is_in_both_languages() -> None:
    for table in (STATES, NEXT, NOTES):
        for russian, english in table.values():
            assert any("а" <= letter <= "я" for letter in russian.lower())
            assert english.isascii()
    assert state_name("strange", "ru") == "strange"
