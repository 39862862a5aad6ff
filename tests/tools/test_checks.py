"""Each rule finds what it is for and leaves alone what is right."""

from __future__ import annotations

import textwrap

import pytest

from tools.checks.__main__ import ROOT, check, files

PRODUCT = "src/battcrm/pipeline/example.py"

WRONG = [
    ("naive-time", "x = datetime.now()"),
    ("naive-time", "x = datetime.datetime.utcnow()"),
    ("naive-time", "x = datetime.fromtimestamp(5)"),
    ("naive-time", "x = datetime(2026, 1, 1)"),
    ("naive-time", "x = datetime(2026, 1, 1, tzinfo=None)"),
    ("naive-time", "x = date.today()"),
    ("clock", "x = datetime.now(UTC)"),
    ("sleep", "time.sleep(1)"),
    ("sleep", "from time import sleep as nap\nnap(1)"),
    ("sql-time", 'Q = "SELECT tenant_id FROM inbox WHERE due_at < now()"'),
    ("sql-time", 'Q = "UPDATE inbox SET at = CURRENT_TIMESTAMP WHERE tenant_id = $1"'),
    ("sql-time", "column(server_default=func.now())"),
    ("task", "asyncio.create_task(work())"),
    ("task", "_ = asyncio.ensure_future(work())"),
    ("task", "loop.create_task(work())"),
    ("except", "try:\n    f()\nexcept Exception:\n    g()"),
    ("except", "try:\n    f()\nexcept (ValueError, Exception):  # noqa: BLE001\n    g()"),
    ("except", "try:\n    f()\nexcept:\n    g()"),
    ("assert", "assert x"),
    ("border", "import openai"),
    ("border", "from neo4j import AsyncDriver"),
    ("border", "def f():\n    from aiohttp import ClientSession"),
    ("border", "import aiohttp"),
    ("language", 'T = {"ru": {"a": "а", "b": "б"}, "en": {"a": "a"}}'),
    ("language", 'T = {"ru": "а"}'),
    ("language", 'T = {"ru": ["а", "б"], "en": ["a"]}'),
    ("tenant", 'Q = "SELECT text FROM message WHERE message_id = $1"'),
    ("tenant", 'Q = "WITH x AS (SELECT 1 FROM inbox) DELETE FROM inbox"'),
    ("tenant", 'Q = "MATCH (c:Client {id: $id}) RETURN c"'),
    ("tenant", 'Q = "SELECT 1 FROM inbox /* all tenants: */"'),
    ("built-query", 'q = f"SELECT tenant_id FROM {table}"'),
    ("built-query", 'q = "SELECT tenant_id FROM " + table'),
    ("built-query", 'q = "SELECT tenant_id FROM %s" % table'),
    ("built-query", 'q = "SELECT tenant_id FROM {}".format(table)'),
    ("built-query", 'Q = "SELECT tenant_id FROM t"\nq = Q.replace("t", name)'),
    ("built-query", 'Q = "SELECT tenant_id FROM t "\nq = Q + condition'),
    ("built-query", 'q = " ".join(["SELECT tenant_id FROM t", condition])'),
    ("built-query", 'connection.execute(f"{verb} x WHERE tenant_id = 1")'),
    ("built-query", 'pool.fetch(base + "WHERE tenant_id = $1")'),
    ("built-query", 'q = f"MATCH (c:{label} {{tenant_id: $tenant_id}}) RETURN c"'),
    ("length", "def f():\n" + "    x = 1\n" * 40),
    ("length", "x = 1\n" * 401),
]

RIGHT = [
    "x = datetime(2026, 1, 1, tzinfo=UTC)",
    "x = datetime.fromtimestamp(5, UTC)",
    "x = datetime(*parts)",
    "x = datetime(2026, 1, 1)  # noqa: DTZ001 - the shop's zone is added below",
    "x = clock.now()",
    'X = """Text of a page.\n\nnothing"""\n"""SELECT text FROM message as of now()"""',
    'Q = "SELECT text FROM message WHERE tenant_id = $1"',
    'Q = "SELECT bucket FROM inbox"',
    'Q = "SELECT count(*) FROM tenant /* all tenants: the size of the installation */"',
    'Q = "SELECT relname FROM pg_class"',
    'Q = "SELECT 1"',
    'A = "WITH x AS (SELECT tenant_id FROM inbox)"\nB = A + "DELETE FROM inbox WHERE tenant_id = $1"',
    'Q = "CREATE CONSTRAINT client IF NOT EXISTS FOR (c:Client) REQUIRE (c.id) IS UNIQUE"',
    'text = f"Update {name} before you go"',
    "task = asyncio.create_task(work())",
    "tasks.append(asyncio.create_task(work()))",
    "async def f():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(work())",
    "def f(group: asyncio.TaskGroup):\n    group.create_task(work())",
    "class A:\n    def f(self):\n        self._group = asyncio.TaskGroup()\n        self._group.create_task(work())",
    "try:\n    f()\nexcept Exception:  # noqa: BLE001 - the neighbours go on\n    g()",
    "try:\n    f()\nexcept BaseException:\n    g()\n    raise",
    'T = {"ru": {"a": "а"}, "en": {"a": "a"}}',
    'T = {"kind": "ru"}',
    "def f():\n" + "    x = 1\n" * 39,
]


@pytest.mark.parametrize(("rule", "code"), WRONG)
def test_what_is_wrong_is_found(rule: str, code: str) -> None:
    assert {finding.rule for finding in check(PRODUCT, code)} == {rule}


@pytest.mark.parametrize("code", RIGHT)
def test_what_is_right_is_left_alone(code: str) -> None:
    assert check(PRODUCT, code) == []


def test_a_finding_says_where() -> None:
    found = check(PRODUCT, textwrap.dedent("x = 1\n\ntime.sleep(1)\n"))
    assert [str(finding) for finding in found] == [
        f"{PRODUCT}:3: sleep: time.sleep blocks the event loop; wait for a condition"
    ]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("src/battcrm/kit/clock.py", "x = datetime.now(UTC)"),
        ("src/battcrm/infra/llm/x.py", "import openai"),
        ("src/battcrm/infra/neo4j.py", "import neo4j"),
        ("src/battcrm/infra/http.py", "import aiohttp"),
        ("src/battcrm/devkit/emulators/base.py", "from aiohttp import web"),
        ("src/battcrm/infra/due.py", 'T = "SELECT tenant_id FROM {table}"\nq = T.format(table=name)'),
        ("migrations/versions/0001_x.py", "def upgrade():\n" + "    x = 1\n" * 60),
        ("tests/unit/test_x.py", "assert x"),
    ],
)
def test_the_argued_places_are_allowed(path: str, code: str) -> None:
    assert check(path, code) == []


def test_an_emulator_may_not_be_a_client() -> None:
    assert [f.rule for f in check("src/battcrm/devkit/emulators/x.py", "from aiohttp import ClientSession")] == [
        "border"
    ]


def test_the_whole_tree_is_looked_at() -> None:
    paths = {path.relative_to(ROOT).as_posix() for path in files()}
    assert {"src/battcrm/settings.py", "tests/conftest.py", "migrations/env.py", "tools/checks/queries.py"} <= paths
