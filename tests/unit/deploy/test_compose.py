"""docker-compose.yml against the rules of the Compose Specification that it uses, and against the program it starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from battcrm.cli.main import COMMANDS
from battcrm.settings import Settings
from battcrm.workers.supervise import ALL, parse_roles

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
# The specification's attributes of a service and of its parts, as far as this file may use them, with their types.
SERVICE: dict[str, type | tuple[type, ...]] = {
    "image": str, "build": (str, dict), "command": (str, list), "entrypoint": (str, list), "restart": str, "init": bool,
    "read_only": bool, "tmpfs": (str, list), "cap_drop": list, "security_opt": list, "stop_grace_period": str,
    "depends_on": (list, dict), "environment": (list, dict), "ports": list, "volumes": list, "healthcheck": dict,
    "deploy": dict, "shm_size": (str, int), "profiles": list, "networks": (list, dict), "user": str,
}  # fmt: skip
HEALTH = {"test", "interval", "timeout", "retries", "start_period", "disable"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
DURATION = re.compile(r"(\d+(\.\d+)?(us|ms|s|m|h))+")
MEMORY = re.compile(r"\d+(b|k|kb|m|mb|g|gb)", re.IGNORECASE)
VARIABLE = re.compile(r"\$\{(\w+)(:[-?+][^}]*)?\}")


def test_only_known_sections() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} <= {
        "services",
        "volumes",
        "networks",
        "configs",
        "secrets",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_well_formed(name: str) -> None:
    service = SERVICES[name]
    for key, value in service.items():
        assert key in SERVICE, f"{name}: {key} is no attribute of a service"
        assert isinstance(value, SERVICE[key]), f"{name}: {key}"
    assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
    assert service["restart"] in {"no", "always", "unless-stopped", "on-failure"}
    for other, rule in service.get("depends_on", {}).items():
        assert other in SERVICES
        assert rule["condition"] in CONDITIONS
        if rule["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"], f"{other} is never healthy"
    health = service.get("healthcheck", {})
    assert set(health) <= HEALTH
    assert all(DURATION.fullmatch(health[key]) for key in ("interval", "timeout", "start_period") if key in health)
    if isinstance(health.get("test"), list):
        assert health["test"][0] in {"CMD", "CMD-SHELL", "NONE"}
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (source.startswith("./") and (ROOT / source).exists())
    assert all(isinstance(word, str) for word in service.get("command", ())), "YAML read a word as something else"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits(name: str) -> None:
    resources = SERVICES[name]["deploy"]["resources"]
    assert float(resources["limits"]["cpus"]) > 0
    assert isinstance(resources["limits"]["cpus"], str)
    assert MEMORY.fullmatch(resources["limits"]["memory"])


def test_a_tenth_of_the_first_plan_is_the_ceiling() -> None:
    """40 CPU and 40 GB were planned for 170 messages a second."""
    limits = [SERVICES[name]["deploy"]["resources"]["limits"] for name in SERVICES if name != "migrate"]
    assert sum(float(limit["cpus"]) for limit in limits) <= 5
    assert sum(int(limit["memory"].removesuffix("M")) for limit in limits) <= 5000


@pytest.mark.parametrize("name", OURS)
def test_our_commands_and_variables_exist(name: str) -> None:
    service = OURS[name]
    command = service["command"]
    assert command[0] in COMMANDS
    if command[0] == "run":
        assert parse_roles(command[1])
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert set(service["environment"]) <= known
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


def test_every_role_runs_somewhere() -> None:
    running = {role for s in OURS.values() if s["command"][0] == "run" for role in parse_roles(s["command"][1])}
    optional = {"ai-queue"}
    assert set(ALL) - optional <= running
    assert {
        "gateway",
        "processor",
        "ai-worker",
        "out-worker",
        "relay",
        "event-processor",
        "redis",
        "postgres",
        "neo4j",
    } <= (set(SERVICES))


def test_secrets_have_no_default_and_the_guide_names_all() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    guide = (ROOT / "docs/guides/deploy.md").read_text("utf-8")
    for variable, default in VARIABLE.findall(text):
        if re.search("PASSWORD|SECRET", variable):
            assert default.startswith(":?"), variable
            assert f"{variable}=" in guide, variable


def test_the_image_runs_as_nobody_and_its_health_is_progress() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    final = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", final, re.MULTILINE)
    assert "BATTCRM_METRICS_PORT=9100" in final
    assert "127.0.0.1:9100/healthz" in final
    assert "--require-hashes -r requirements/runtime.lock" in dockerfile
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for source in sources.split():
            assert source in allowed, f"{source} is kept out by .dockerignore"
            assert (ROOT / source).exists()
