"""Where templates and conditions of tasks run: Jinja that reaches nothing, loops on nothing, fills nothing.

A task's file may come from anybody. Its expressions see the values that they are given and a short list of
filters. Attributes of Python objects are out of reach, loops run over given lists alone (there is no `range`,
no macro and no recursion), what multiplies texts is refused, and all the rest has a price (`fuel.py`).
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import StrictUndefined, Template, meta, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from facedata.annotate.fuel import (
    FILTERS,
    LARGEST,
    check_product,
    joined_text,
    paid,
    replaced,
    rounded,
    spending,
    weighed_tree,
)

__all__ = ["condition", "fixed", "joined", "predicates", "template", "value"]

_FILTERS = (
    *("abs", "float", "int", "max", "min", "round", "sum"),
    *("capitalize", "lower", "replace", "string", "title", "trim", "upper"),
    *("default", "first", "join", "last", "length", "list", "reverse", "sort", "unique"),
    *("map", "reject", "rejectattr", "select", "selectattr"),
)
"""Of Jinja's own: none that pads, repeats, formats or looks up attributes of objects by name."""

_TEXTS = ("lower", "upper", "capitalize", "startswith", "endswith", "strip", "split", "replace")
"""Methods of texts that templates may call."""
_MAPS = ("items", "keys", "values", "get")
_LISTS = ("index", "count")
_OF_MAPS = frozenset(dir(dict))
_OF_LOOPS = frozenset(["first", "index", "index0", "last", "length", "revindex", "revindex0"])
_BANNED = (
    *(
        nodes.Macro,
        nodes.CallBlock,
        nodes.Include,
        nodes.Import,
        nodes.FromImport,
        nodes.Extends,
        nodes.Block,
    ),
    *(nodes.FilterBlock, nodes.With, nodes.ScopedEvalContextModifier),
)
_DEEPEST = 3  # loops within loops
_LONGEST = 20_000  # characters of a template


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "**", "%", "+"])

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return what `obj.attribute` is: of maps, as nearly always, without detours.

        Jinja looks for an attribute, which a map has not, catches the error and then for a value.
        """
        if type(obj) is dict and attribute not in _OF_MAPS:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if type(obj) is LoopContext and attribute in _OF_LOOPS:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Let values of maps through, and the few methods that texts and maps need."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        if isinstance(obj, str):
            return attr in _TEXTS
        if isinstance(obj, dict):
            return attr in _MAPS
        if isinstance(obj, list | tuple):
            return attr in _LISTS
        return not callable(value)

    def wrap_str_format(self, value: Any) -> None:
        """Leave `format` to `is_safe_attribute`, which refuses it: a width can be as large as one likes."""
        del value

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse what repeats a text, formats one or takes powers."""
        texts = isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple)
        if operator == "**" or (texts and operator in ("*", "%")):
            raise SecurityError(f"{operator} is not for templates")
        both = isinstance(left, Sequence) and isinstance(right, Sequence)
        if operator == "+" and both and len(left) + len(right) > LARGEST:
            raise SecurityError("a text or list grows too long")
        if operator == "*":
            check_product(left, right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, called: Any, /, *arguments: Any, **named: Any) -> Any:
        """Call what may be called, for a price; `replace`, which makes long texts of short ones, is ours."""
        owner = getattr(called, "__self__", None)
        if isinstance(owner, str) and called.__name__ == "replace":
            return paid(replaced)(owner, *arguments, **named)
        return paid(super().call)(context, called, *arguments, **named)


class _Template(Template):
    def render(self, *arguments: Any, **named: Any) -> str:
        """Render, with a full tank."""
        with spending():
            return super().render(*arguments, **named)


def joined(items: Sequence[Any], last: str = "and") -> str:
    """Return `a, b and c`."""
    texts = [str(item) for item in items]
    return f" {last} ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)


def predicates(phrases: Sequence[str]) -> str:
    """Return phrases that begin with their verb in one clause, each verb once, and what is not there last.

    >>> predicates(["has a beard", "wears no glasses", "has short hair", "wears a shirt"])
    'has a beard and short hair, and wears a shirt and no glasses'
    """
    objects: dict[str, list[str]] = {}
    for phrase in phrases:
        verb, _, rest = phrase.partition(" ")
        objects.setdefault(verb, []).append(rest)
    clauses = [f"{verb} {joined(sorted(rests, key=_absent))}" for verb, rests in objects.items()]
    if len(clauses) > 1 and len(clauses) < len(phrases):
        return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"
    return joined(clauses)


def _absent(rest: str) -> bool:
    return rest.startswith(("no ", "neither "))


def _sentence(text: str) -> str:
    """Return a text with a capital at its start; unlike `capitalize` it leaves the rest (AU, LCD) alone."""
    return text[:1].upper() + text[1:]


@functools.cache
def _environment() -> _Environment:
    # Texts for models and people, not for a browser: nothing is escaped here; the HTML report escapes.
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, optimized=False
    )
    environment.template_class = _Template
    filters = {name: environment.filters[name] for name in _FILTERS} | {
        "joined": joined,
        "sentence": _sentence,
        # Jinja's own escapes for HTML, which would change the text of an answer.
        "json": lambda value: json.dumps(value, ensure_ascii=False),
        "join": joined_text,
        "replace": replaced,
        "round": rounded,
    }
    environment.filters = {name: paid(one) for name, one in filters.items()} | FILTERS
    environment.globals.clear()
    return environment


@functools.lru_cache(maxsize=1024)
def template(text: str) -> Template:
    """Return a compiled template; raise TemplateSyntaxError where it is none, or uses what is not for it."""
    if len(text) > _LONGEST:
        raise TemplateSyntaxError(f"{len(text)} characters are more than a template has ({_LONGEST})", 1)
    try:
        tree = _environment().parse(text)
        for node in tree.find_all((*_BANNED, nodes.For, nodes.Const)):
            if isinstance(node, _BANNED) or (isinstance(node, nodes.For) and node.recursive):
                kind = type(node).__name__.lower()
                raise TemplateSyntaxError(f"{kind} is not for templates of tasks", node.lineno)
            if isinstance(node, nodes.Const) and node.value in (math.inf, -math.inf):
                raise TemplateSyntaxError("a number is too large", node.lineno)
        if _depth(tree) > _DEEPEST:
            raise TemplateSyntaxError(f"more than {_DEEPEST} loops within each other", 1)
        return _environment().from_string(weighed_tree(tree))
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        # What Python says of code, or Jinja's parser of texts, that nests too deeply or spells odd numbers.
        raise TemplateSyntaxError(f"not to be compiled ({error})", 1) from None


@functools.lru_cache(maxsize=1024)
def fixed(text: str) -> str | None:
    """Return what a template comes to that looks at nothing it is given, None for others."""
    looked_at = meta.find_undeclared_variables(_environment().parse(text))
    return None if looked_at else template(text).render()


def _depth(node: nodes.Node) -> int:
    deepest = max((_depth(child) for child in node.iter_child_nodes()), default=0)
    return deepest + isinstance(node, nodes.For)


@functools.lru_cache(maxsize=1024)
def _expression(text: str) -> Callable[..., Any]:
    return _environment().compile_expression(text, undefined_to_none=False)


def condition(text: str, **known: Any) -> bool:
    """Return whether an expression holds; one about what is not known does not."""
    try:
        return bool(_expression(text)(**known))
    except (UndefinedError, TypeError):
        return False


def value(text: str, **known: Any) -> Any:
    """Return what an expression comes to."""
    return _expression(text)(**known)
