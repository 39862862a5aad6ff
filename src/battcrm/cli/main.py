"""The `battcrm` program: commands load by name, so none pays for the imports of another."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from battcrm.kit.errors import BattError, Conflict, Invalid

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is (`module:attribute`, a function or a typer app) and its line in the help."""

    target: str
    help: str

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]


COMMANDS: Final[dict[str, Entry]] = {
    "demo": Entry("battcrm.cli.dev:demo", "Run the whole system with emulated messengers and talk to it."),
    "up": Entry("battcrm.cli.servers:up", "Start the local PostgreSQL, Valkey and graph server."),
    "down": Entry("battcrm.cli.servers:down", "Stop the local servers."),
    "status": Entry("battcrm.cli.servers:status", "Show the local servers."),
    "doctor": Entry("battcrm.cli.doctor:doctor", "Check this installation and say how to mend it."),
    "migrate": Entry("battcrm.cli.migrate:migrate", "Bring the database to the newest schema."),
    "backup": Entry("battcrm.cli.backup:backup", "Write database, media and key to one file."),
    "restore": Entry("battcrm.cli.backup:restore", "Bring an installation back to a backup."),
    "run": Entry("battcrm.cli.run:run", "Run one role, or all of them in one process."),
    "top": Entry("battcrm.cli.top:top", "Watch rates, queues, errors, cost, processes and tenants live."),
    "tenant": Entry("battcrm.cli.tenant:app", "Tenants and their configuration."),
    "channel": Entry("battcrm.cli.channel:app", "Messenger accounts of a tenant."),
    "operator": Entry("battcrm.cli.operator:app", "Take over, answer and hand back dialogues."),
    "explain": Entry("battcrm.cli.explain:explain", "Show why the system did what it did."),
    "dead": Entry("battcrm.cli.dead:app", "List and replay dead letters."),
    "import": Entry("battcrm.cli.imports:app", "Import price lists, clients and past repairs."),
    "graph": Entry("battcrm.cli.graph:app", "Rebuild and check the graph."),
    "eval": Entry("battcrm.cli.eval:app", "Measure extraction on labelled messages."),
    "parse": Entry("battcrm.cli.parse:parse", "Show a webhook body as Unified Messages."),
    "bench": Entry("battcrm.cli.dev:bench", "Measure throughput and latency end to end."),
    "bench-queue": Entry("battcrm.cli.bench_queue:bench_queue", "Measure the AI worker on a list that n8n fills."),
    "script": Entry("battcrm.cli.dev:script", "Play dialogue scripts against the real pipeline."),
}


class LazyGroup(TyperGroup):
    """Lists the commands that are installed without importing them; imports one when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's signature
        return [name for name, entry in COMMANDS.items() if find_spec(entry.module) is not None]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What the help needs to know: the name and one line."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name].help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself. A name that is not known ends with a usage error."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed if listed is None else load(listed.name or ""), rest


def load(name: str) -> Any:
    """Import a command by its registered name. Raises `Invalid` when there is no such command."""
    entry = COMMANDS.get(name)
    if entry is None:
        raise Invalid(f"no command is called {name}", remedy="battcrm --help lists the commands")
    module, _, attribute = entry.target.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name, group.help = name, group.help or entry.help
        return group
    single = typer.Typer(add_completion=False)
    single.command(name, help=found.__doc__ or entry.help)(found)
    return get_command(single)


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _root() -> None:
    """Conversational CRM for repair shops. Settings come from the environment; `battcrm doctor` checks them."""
    import structlog

    # Standard output belongs to results. Looked up at each line: a test or a shell may replace the stream.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def main() -> None:
    """Entry point. Exit 0 = done, 1 = it failed, 2 = bad usage or configuration; messages go to standard error."""
    try:
        get_command(app)(prog_name="battcrm")
    except (Invalid, Conflict) as error:
        said = (("error", error.text), ("field", error.field), ("remedy", error.remedy))
        typer.echo("\n".join(f"{name}: {text}" for name, text in said if text), err=True)
        sys.exit(EXIT_USAGE if isinstance(error, Invalid) else EXIT_FAILED)
    except BattError as error:
        typer.echo(f"error: {error.text}", err=True)
        sys.exit(EXIT_FAILED)
