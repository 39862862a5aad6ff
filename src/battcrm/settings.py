"""What the environment says, checked once at start.

Every value has one environment variable. An unusable value is reported by the variable's name, with what is
expected and how to mend it; the value itself is never repeated, for it may be a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from battcrm.kit.errors import Invalid
from battcrm.kit.ids import BUCKETS
from battcrm.kit.text import loads

Price = Annotated[float, Field(ge=0)]
_KEY_BYTES: Final = 32
_BUCKET_RANGE: Final = re.compile(r"(\d+)(?:-(\d+))?")
_SCHEMES: Final[dict[str, tuple[str, ...]]] = {
    "database_url": ("postgresql", "postgres"),
    "owner_url": ("postgresql", "postgres"),
    "redis_url": ("redis", "rediss", "redis+cluster", "rediss+cluster", "unix"),
    "neo4j_url": ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc"),
    "openai_base_url": ("http", "https"),
    "openai_proxy": ("http", "https"),
    "public_url": ("http", "https"),
}
_PRICES: Final[dict[str, tuple[float, float]]] = {"gpt-4.1": (160, 640), "gpt-4.1-mini": (32, 128), "*": (160, 640)}
_REMEDIES: Final[dict[str, str]] = {
    "DATABASE_URL": "set postgresql://USER:PASSWORD@HOST:PORT/NAME, or unset it to use the embedded server",
    "REDIS_URL": "set redis://:PASSWORD@HOST:PORT/0, or unset it to use the embedded server",
    "NEO4J_URL": "set bolt://HOST:7687 with NEO4J_USER and NEO4J_PASSWORD, or unset it to use the embedded server",
    "NEO4J_PASSWORD": "set NEO4J_PASSWORD together with NEO4J_URL",
    "OPENAI_BASE_URL": "set the address of an OpenAI-compatible gateway, such as https://gateway.example/v1",
    "OPENAI_PROXY": "set http://[USER:PASSWORD@]HOST:PORT of an HTTP proxy, or unset it to connect directly",
    "LLM_ADAPTER": "set openai, or litellm after installing the extra of that name",
    "LLM_PRICES": 'set JSON such as {"gpt-4.1": [160, 640], "*": [160, 640]}: roubles per million tokens, in and out',
    "BATTCRM_SECRET_KEYS": "make one with: openssl rand -base64 32; put the newest first, separated by commas",
    "BATTCRM_BUCKETS": f"set all, or numbers and ranges below {BUCKETS} such as 0-15,20",
    "BATTCRM_PUBLIC_URL": "set the address messengers reach the gateway at, such as https://bot.example",
    "BATTCRM_TRACES": "set console, file:PATH or the address of an OTLP collector such as http://127.0.0.1:4318",
    "BATTCRM_LOG_FORMAT": "set json or text",
    "BATTCRM_LOG_LEVEL": "set debug, info, warning or error",
}


class Settings(BaseSettings):
    """The configuration of one process. Unset URLs mean "use the embedded server of `home`"."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    database_url: str | None = Field(None, repr=False, validation_alias="DATABASE_URL")
    owner_url: str | None = Field(None, repr=False, validation_alias="BATTCRM_OWNER_URL")
    """The schema's owner, for migrations and partitions; without it DATABASE_URL must be the owner itself."""
    redis_url: str | None = Field(None, repr=False, validation_alias="REDIS_URL")
    neo4j_url: str | None = Field(None, repr=False, validation_alias="NEO4J_URL")
    neo4j_user: str = Field("neo4j", validation_alias="NEO4J_USER")
    neo4j_password: SecretStr | None = Field(None, validation_alias="NEO4J_PASSWORD")
    neo4j_database: str | None = Field(None, validation_alias="NEO4J_DATABASE")

    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    openai_proxy: str | None = Field(None, repr=False, validation_alias="OPENAI_PROXY")
    openai_model: str = Field("gpt-4.1", validation_alias="OPENAI_MODEL")
    openai_small_model: str = Field("gpt-4.1-mini", validation_alias="OPENAI_SMALL_MODEL")
    llm_adapter: Literal["openai", "litellm"] = Field("openai", validation_alias="LLM_ADAPTER")
    llm_prices: Annotated[dict[str, tuple[Price, Price]], NoDecode] = Field(
        dict(_PRICES), validation_alias="LLM_PRICES"
    )
    """Roubles per million tokens in and out, by model; `*` prices what is not listed."""
    llm_day_budget_rub: int | None = Field(None, ge=0, validation_alias="LLM_DAY_BUDGET_RUB")
    """Most that one tenant may spend on models in a day (UTC), unless its own document says otherwise; unset = no limit."""
    llm_in_flight: int = Field(400, ge=1, le=10_000, validation_alias="LLM_IN_FLIGHT")
    telegram_bot_token: SecretStr | None = Field(None, validation_alias="TELEGRAM_BOT_TOKEN")

    home: Path = Field(Path(".battcrm"), validation_alias="BATTCRM_HOME")
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field((), validation_alias="BATTCRM_SECRET_KEYS")
    buckets: Annotated[frozenset[int], NoDecode] = Field(frozenset(range(BUCKETS)), validation_alias="BATTCRM_BUCKETS")
    gateway_host: str = Field("127.0.0.1", validation_alias="BATTCRM_GATEWAY_HOST")
    gateway_port: int = Field(8080, ge=0, le=65535, validation_alias="BATTCRM_GATEWAY_PORT")
    metrics_port: int | None = Field(None, ge=0, le=65535, validation_alias="BATTCRM_METRICS_PORT")
    metrics_host: str = Field("127.0.0.1", validation_alias="BATTCRM_METRICS_HOST")
    traces: str | None = Field(None, validation_alias="BATTCRM_TRACES")
    """`console`, `file:PATH` or an OTLP collector's address; unset = no traces, at no cost."""
    trace_share: float = Field(1.0, ge=0, le=1, validation_alias="BATTCRM_TRACE_SHARE")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="BATTCRM_LOG_LEVEL")
    log_format: Literal["json", "text"] = Field("json", validation_alias="BATTCRM_LOG_FORMAT")
    public_url: str | None = Field(None, validation_alias="BATTCRM_PUBLIC_URL")
    event_shards: int = Field(4, ge=1, le=256, validation_alias="BATTCRM_EVENT_SHARDS")
    db_pool_max: int = Field(10, ge=1, le=500, validation_alias="BATTCRM_DB_POOL_MAX")
    media_dir: Path = Field(Path(), validation_alias="BATTCRM_MEDIA_DIR")
    queue_results_days: int | None = Field(None, ge=1, le=36_500, validation_alias="BATTCRM_QUEUE_RESULTS_DAYS")
    """Age at which rows of `ai_extraction_result` and `ai_extraction_shadow` are deleted; unset = never."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator(*_SCHEMES)
    @classmethod
    def _url(cls, value: str | None, info: Any) -> str | None:
        if value is None:
            return None
        schemes = _SCHEMES[info.field_name]
        parts = urlsplit(value)
        if parts.scheme not in schemes:
            raise ValueError(f"expected a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        if not parts.netloc and parts.scheme != "unix":
            raise ValueError("expected a URL with a host")
        _check_ports(parts.netloc)
        return value.rstrip("/") if info.field_name in {"public_url", "openai_base_url"} else value

    @field_validator("traces")
    @classmethod
    def _target(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"console|file:.+|https?://[^/]+.*", value):
            raise ValueError("expected a target for traces")
        return value

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        keys = tuple(part.strip() for part in value.split(",") if part.strip())
        for number, key in enumerate(keys, 1):
            if _key_bytes(key) is None:
                raise ValueError(f"expected base64 of {_KEY_BYTES} bytes; key {number} of {len(keys)} is not")
        return keys

    @field_validator("llm_prices", mode="before")
    @classmethod
    def _price_table(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return loads(value)
        except ValueError:
            raise ValueError("expected a JSON object") from None

    @field_validator("buckets", mode="before")
    @classmethod
    def _bucket_set(cls, value: Any) -> Any:
        return parse_buckets(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.neo4j_url is not None and self.neo4j_password is None:
            raise ValueError("NEO4J_PASSWORD: expected a password, because NEO4J_URL is set")
        if self.openai_proxy is not None and self.llm_adapter == "litellm":
            raise ValueError("OPENAI_PROXY: expected none, because litellm reads HTTPS_PROXY")
        if self.media_dir == Path():
            object.__setattr__(self, "media_dir", self.home / "media")
        return self

    @property
    def encryption_keys(self) -> tuple[bytes, ...]:
        """AES-GCM keys of 32 bytes; the first encrypts, all decrypt. Empty when none is configured."""
        keys = (_key_bytes(secret.get_secret_value()) for secret in self.secret_keys)
        return tuple(key for key in keys if key is not None)

    @property
    def embedded(self) -> frozenset[str]:
        """The servers (`postgres`, `redis`, `graph`) that have no URL and so come from `infra.embedded`."""
        urls = {"postgres": self.database_url, "redis": self.redis_url, "graph": self.neo4j_url}
        return frozenset(name for name, url in urls.items() if url is None)


def _check_ports(netloc: str) -> None:
    """Of one server or of several with commas between them; else the first to connect would stumble over it."""
    for place in netloc.rpartition("@")[2].split(","):
        try:
            urlsplit(f"//{place}").port  # noqa: B018 - reading it is the check
        except ValueError:
            raise ValueError("expected a port from 0 to 65535 behind the host") from None


def parse_buckets(text: str) -> frozenset[int]:
    """`all` or a list such as `0-15,20` as bucket numbers. Raises ValueError naming what is expected."""
    if text.strip().lower() == "all":
        return frozenset(range(BUCKETS))
    found: set[int] = set()
    for part in text.split(","):
        match = _BUCKET_RANGE.fullmatch(part.strip())
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if low > high or high >= BUCKETS:
            raise ValueError(f"expected all, or numbers and ranges from 0 to {BUCKETS - 1} such as 0-15,20")
        found.update(range(low, high + 1))
    return frozenset(found)


def load_settings(**overrides: Any) -> Settings:
    """Settings of this process's environment; `overrides` are by variable name and win over it.

    Raises `Invalid` whose `field` is the environment variable, whose text says what is expected (never the value)
    and whose `remedy` says how to mend it.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> Invalid:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["loc"]:
        name = str(first["loc"][0])
    else:
        name, _, message = message.partition(": ")
    remedy = _REMEDIES.get(name, f"correct {name} in the environment, or unset it to use {_default_of(name)}")
    return Invalid(f"{name}: {_sentence(message)}", field=name, remedy=remedy, code="settings.invalid")


def _default_of(name: str) -> str:
    fields: dict[str, FieldInfo] = Settings.model_fields
    for field in fields.values():
        if field.validation_alias == name:
            return f"the default, {field.default}"
    return "the default"


def _sentence(message: str) -> str:
    expected = message.replace("Input should be", "expected").replace(", unable to parse string as an integer", "")
    return expected[:1].lower() + expected[1:]


def _key_bytes(text: str) -> bytes | None:
    """The key, or None when `text` is not base64 (either alphabet, padding optional) of 32 bytes."""
    padded = text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4)
    try:
        key = base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None
