"""Rendering of trusted and of tenants' templates: sandboxed, strict, bounded by construction.

Time is bounded without a timer: a checked template has no calls, no nested loops and no arithmetic, so its work is
proportional to its data, which the router keeps small.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from battcrm.kit.errors import Invalid
from battcrm.response import text
from battcrm.response.labels import ALL, label
from battcrm.response.text import LANGUAGES

MAX_SOURCE: Final = 2000
MAX_OUTPUT: Final = 4000
_FILTERS: Final = frozenset(
    {"money", "range", "plural", "day", "when", "capitalize", "join", "length", "default", "lower", "upper", *ALL}
)
_LOOP: Final = frozenset({"first", "last", "index"})
_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name, nodes.Getattr, nodes.Getitem,
    nodes.Filter, nodes.Const, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Test,
)  # fmt: skip


class _Environment(ImmutableSandboxedEnvironment):
    """Attributes are keys of mappings and nothing else: no method or internal of any object can be reached."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._key(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._key(obj, argument)

    def _key(self, obj: Any, key: Any) -> Any:
        if isinstance(obj, Mapping) and key in obj:
            return obj[key]
        if isinstance(obj, LoopContext) and key in _LOOP:
            return getattr(obj, key)
        return self.undefined(obj=obj, name=key)


def _build(language: str) -> _Environment:
    environment = _Environment(
        autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.globals.clear()
    environment.filters = {k: v for k, v in environment.filters.items() if k in _FILTERS}
    environment.filters["money"] = lambda kopecks, currency="RUB": text.money(kopecks, language, currency)
    environment.filters["range"] = lambda pair, currency="RUB": text.money_range(pair[0], pair[1], language, currency)
    environment.filters["plural"] = lambda n, *forms: text.plural(n, language, *forms)
    environment.filters["capitalize"] = lambda value: value[:1].upper() + value[1:]

    @pass_context
    def day(context: Context, moment: datetime) -> str:
        return text.day(moment, language, context["timezone"])

    @pass_context
    def when(context: Context, moment: datetime) -> str:
        return text.when(moment, context["now"], language, context["timezone"])

    environment.filters.update(day=day, when=when)
    for table in ALL:
        environment.filters[table] = lambda code, table=table: label(table, code, language)
    return environment


_ENVIRONMENTS: Final = {language: _build(language) for language in LANGUAGES}


def builtin_keys(language: str) -> frozenset[str]:
    """Keys of the texts that come with the product."""
    folder = resources.files(__package__) / "templates" / language
    return frozenset(entry.name[:-3] for entry in folder.iterdir() if entry.name.endswith(".j2"))


@lru_cache(maxsize=512)
def builtin(language: str, key: str) -> Template:
    """A built-in template, compiled once. Invalid if there is none with that key."""
    try:
        source = (resources.files(__package__) / "templates" / language / f"{key}.j2").read_text("utf-8")
    except (FileNotFoundError, ValueError):
        raise Invalid(f"no text {key!r} in {language!r}", field=key, remedy="use a known key") from None
    return _ENVIRONMENTS[language].from_string(source)


@lru_cache(maxsize=2048)
def custom(language: str, source: str) -> Template:
    """A tenant's template, checked and compiled once. Raises Invalid naming what is not allowed."""
    check_source(language, source)
    return _ENVIRONMENTS[language].from_string(source)


def run(template: Template, context: Mapping[str, Any]) -> str:
    """The rendered text. Invalid when a variable is missing or the text is longer than any message may be."""
    try:
        rendered = template.render(context).strip()
    except (TemplateError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise Invalid(f"text cannot be rendered: {error}", remedy="use only the variables of this text") from error
    if not rendered or len(rendered) > MAX_OUTPUT:
        raise Invalid(f"text has {len(rendered)} characters", remedy=f"1 to {MAX_OUTPUT}")
    return rendered


def check_source(language: str, source: str) -> None:
    """Raises Invalid unless the source is short and uses only output, conditions, one loop level and our filters."""
    if len(source) > MAX_SOURCE:
        raise Invalid(f"template has {len(source)} characters", remedy=f"at most {MAX_SOURCE}", code="template_size")
    try:
        tree = _ENVIRONMENTS[language].parse(source)
    except (TemplateError, RecursionError) as error:
        raise Invalid(f"template cannot be read: {error}", remedy="check the braces", code="template_syntax") from error
    _check_node(tree, in_loop=False)


def _check_node(node: nodes.Node, *, in_loop: bool) -> None:
    if not isinstance(node, _ALLOWED):
        raise _forbidden(type(node).__name__)
    if isinstance(node, nodes.Filter):
        plain = all(isinstance(a, nodes.Const | nodes.Name | nodes.Getattr) for a in node.args) and not (
            node.kwargs or node.dyn_args
        )
        if node.name not in _FILTERS or not plain or node.dyn_kwargs:
            raise _forbidden(f"filter {node.name}")
    if isinstance(node, nodes.Name | nodes.Getattr):
        name = node.name if isinstance(node, nodes.Name) else node.attr
        if name.startswith("_"):
            raise _forbidden(name)
    if isinstance(node, nodes.For):
        if in_loop or node.recursive or not isinstance(node.iter, nodes.Name | nodes.Getattr):
            raise _forbidden("nested or computed loop")
        in_loop = True
    for child in node.iter_child_nodes():
        _check_node(child, in_loop=in_loop)


def _forbidden(what: str) -> Invalid:
    return Invalid(
        f"template uses {what}, which is not allowed",
        remedy="use {{ variable|filter }}, {% if %} and one {% for %}",
        code="template_forbidden",
    )
