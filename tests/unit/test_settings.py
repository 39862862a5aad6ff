from __future__ import annotations

import base64
from pathlib import Path

import pytest

from battcrm.kit.errors import Invalid
from battcrm.settings import Settings, load_settings, parse_buckets

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def test_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings.embedded == {"postgres", "redis", "graph"}
    assert (settings.gateway_host, settings.gateway_port) == ("127.0.0.1", 8080)
    assert settings.buckets == frozenset(range(64))
    assert settings.media_dir == Path(".battcrm/media")
    assert settings.encryption_keys == ()


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "DATABASE_URL": "postgresql://u:p@db:5432/x",
        "REDIS_URL": "redis+cluster://:p@cache:6379",
        "NEO4J_URL": "neo4j+s://graph.example",
        "NEO4J_PASSWORD": "pw",
        "BATTCRM_HOME": "/srv/batt",
        "BATTCRM_BUCKETS": "0-2, 9",
        "BATTCRM_LOG_LEVEL": "WARNING",
        "BATTCRM_PUBLIC_URL": "https://bot.example/",
    }
    for name, text in given.items():
        monkeypatch.setenv(name, text)
    settings = load_settings()
    assert settings.embedded == frozenset()
    assert settings.buckets == {0, 1, 2, 9}
    assert settings.log_level == "warning"
    assert settings.public_url == "https://bot.example"
    assert settings.media_dir == Path("/srv/batt/media")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert load_settings().database_url is None


def test_first_key_encrypts_and_both_alphabets_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    other = base64.urlsafe_b64encode(b"\xff" * 32).decode().rstrip("=")
    monkeypatch.setenv("BATTCRM_SECRET_KEYS", f"{KEY}, {other}")
    assert load_settings().encryption_keys == (bytes(range(32)), b"\xff" * 32)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("DATABASE_URL", "mysql://u:hidden@h/x", "postgresql://"),
        ("DATABASE_URL", "postgresql:hidden", "host"),
        ("DATABASE_URL", "postgresql://u:p@h:hidden/x", "port"),
        ("DATABASE_URL", "postgresql://u:hidden/with-a-slash@h/x", "port"),
        ("DATABASE_URL", "postgresql://u:p@one:5432,two:70000/x", "port"),
        ("REDIS_URL", "redis://h:99999/0", "port"),
        ("NEO4J_URL", "bolt://h:-1", "port"),
        ("REDIS_URL", "hidden", "redis://"),
        ("OPENAI_BASE_URL", "ftp://hidden", "https://"),
        ("OPENAI_PROXY", "socks5://hidden", "http://"),
        ("BATTCRM_SECRET_KEYS", "hidden", "32 bytes"),
        ("BATTCRM_SECRET_KEYS", f"{KEY},hidden", "key 2 of 2"),
        ("BATTCRM_BUCKETS", "hidden", "0-15,20"),
        ("BATTCRM_BUCKETS", "60-64", "0 to 63"),
        ("BATTCRM_GATEWAY_PORT", "hidden", "integer"),
        ("BATTCRM_GATEWAY_PORT", "70000", "65535"),
        ("BATTCRM_LOG_FORMAT", "hidden", "json"),
        ("BATTCRM_EVENT_SHARDS", "0", "1"),
    ],
)
def test_a_bad_value_is_named_explained_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(Invalid) as caught:
        load_settings()
    assert caught.value.field == name
    assert caught.value.text.startswith(f"{name}: ")
    assert expected in caught.value.text
    assert "hidden" not in caught.value.text + caught.value.remedy
    assert caught.value.remedy


def test_several_servers_are_one_url(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://u:p@one:5432,two/x"
    monkeypatch.setenv("DATABASE_URL", url)
    assert load_settings().database_url == url


def test_a_graph_url_needs_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_URL", "bolt://h:7687")
    with pytest.raises(Invalid) as caught:
        load_settings()
    assert caught.value.field == "NEO4J_PASSWORD"


def test_a_proxy_that_the_adapter_would_not_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_PROXY", "http://someone:hidden@proxy:3128")
    assert load_settings().openai_proxy is not None
    monkeypatch.setenv("LLM_ADAPTER", "litellm")
    with pytest.raises(Invalid, match="HTTPS_PROXY") as caught:
        load_settings()
    assert caught.value.field == "OPENAI_PROXY"
    assert "hidden" not in str(caught.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATTCRM_SECRET_KEYS", KEY)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hidden@h/x")
    monkeypatch.setenv("OPENAI_API_KEY", "hidden")
    assert "hidden" not in repr(load_settings())
    assert KEY not in repr(load_settings())


@pytest.mark.parametrize("text", ["", "5-1", "a", "1,,2", "-1"])
def test_bucket_lists_that_mean_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="expected all"):
        parse_buckets(text)
