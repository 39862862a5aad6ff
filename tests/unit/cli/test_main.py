"""The program as its users start it: in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from battcrm.cli import main
from battcrm.kit.errors import Conflict, Invalid
from tests.support.waiting import PATIENCE


def battcrm(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", "from battcrm.cli.main import main; main()", *arguments],
        env={**kept, "BATTCRM_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_help_lists_commands_without_importing_them(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from battcrm.cli import main\n"
        "sys.argv = ['battcrm', '--help']\n"
        "try:\n    main.main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "loaded = [m for m in sys.modules if m.startswith('battcrm.') and m.split('.')[1] not in ('cli', 'kit')]\n"
        "assert not loaded, loaded\n"
        "assert 'battcrm.cli.servers' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    for name in ("up", "down", "status", "doctor"):
        assert name in done.stdout
        assert main.COMMANDS[name].help[:30] in done.stdout


def test_a_wrong_variable_ends_with_2_and_a_remedy(tmp_path: Path) -> None:
    done = battcrm(tmp_path, "up", BATTCRM_BUCKETS="many")
    assert (done.returncode, done.stdout) == (2, "")
    assert "BATTCRM_BUCKETS" in done.stderr
    assert "remedy:" in done.stderr


@pytest.mark.parametrize(("kind", "code"), [(Invalid, 2), (Conflict, 1)])
def test_a_refusal_names_its_field_and_how_to_go_on(
    kind: type[Invalid] | type[Conflict], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> None:
        raise kind("it is closed", field="number", remedy="name an open one")

    monkeypatch.setattr(main, "get_command", lambda _: refuse)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == code
    assert capsys.readouterr().err == "error: it is closed\nfield: number\nremedy: name an open one\n"


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    done = battcrm(tmp_path, "fly")
    assert (done.returncode, done.stdout) == (2, "")


def test_status_without_servers(tmp_path: Path) -> None:
    done = battcrm(tmp_path / "none", "status", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [server["name"] for server in document["servers"]] == ["graph", "postgres", "redis"]
    assert not any(server["running"] for server in document["servers"])
    assert not (tmp_path / "none").exists()


def test_doctor_names_each_fault_and_its_remedy(tmp_path: Path) -> None:
    done = battcrm(tmp_path, "doctor", "--json", DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/x")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["ok"] is False
    failed = {check["name"]: check for check in document["checks"] if not check["ok"]}
    assert failed.keys() >= {"secret_keys", "postgres", "redis", "graph"}
    assert all(check["remedy"] for check in failed.values())
    assert "hidden" not in done.stdout


@pytest.mark.parametrize("command", ["migrate", "operator list"])
def test_a_database_that_is_away_is_named_with_a_remedy(tmp_path: Path, command: str) -> None:
    key = base64.b64encode(bytes(32)).decode()
    url = "postgresql://u:hidden@127.0.0.1:1/x"
    done = battcrm(tmp_path, *command.split(), DATABASE_URL=url, BATTCRM_SECRET_KEYS=key)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "error: cannot connect to PostgreSQL: " in done.stderr
    assert "field: DATABASE_URL\nremedy: " in done.stderr
    assert "hidden" not in done.stderr


def test_doctor_with_a_wrong_configuration(tmp_path: Path) -> None:
    done = battcrm(tmp_path, "doctor", "--json", BATTCRM_LOG_FORMAT="xml")
    assert done.returncode == 2
    assert json.loads(done.stdout)["checks"][-1]["name"] == "configuration"


def test_every_listed_command_loads() -> None:
    listed = main.LazyGroup(name="battcrm").list_commands(None)
    assert {"up", "down", "status", "doctor"} <= set(listed)
    for name in listed:
        assert main.load(name).name == name


def test_an_unregistered_command_is_invalid() -> None:
    with pytest.raises(Invalid, match="fly"):
        main.load("fly")


def test_groups_and_functions_both_load(monkeypatch: pytest.MonkeyPatch) -> None:
    group = typer.Typer()
    group.command("one")(lambda: None)
    group.command("two")(lambda: None)
    monkeypatch.setattr(main, "import_module", lambda name: type("Module", (), {"app": group, "up": lambda: None}))
    monkeypatch.setitem(main.COMMANDS, "sample", main.Entry("m:app", "A sample."))
    monkeypatch.setitem(main.COMMANDS, "single", main.Entry("m:up", "A single."))
    loaded = main.load("sample")
    assert (loaded.name, loaded.help, set(loaded.commands)) == ("sample", "A sample.", {"one", "two"})
    assert main.load("single").help == "A single."
