"""What a template of a task may spend: nothing in a file of a few lines works for hours or fills the memory.

Loops over lists that loops made, texts set to themselves twice, lists of one list forty times over: each
step is small, and what they come to is not. So every loop, filter, call and comparison pays for the size of
what it takes, from what one rendering may spend in all; what is kept under a name or printed is weighed, with
all that is in it as often as it stands there; and what makes long texts of short ones counts before it does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from jinja2 import nodes
from jinja2.exceptions import SecurityError

__all__ = [
    "FILTERS",
    "LARGEST",
    "check_product",
    "joined_text",
    "paid",
    "replaced",
    "rounded",
    "spending",
    "weighed_tree",
]

LARGEST = 20_000
"""Characters of a text, or values in a list with all that is in them, that a template may keep or make."""
_FUEL = 2_000_000
"""Values and characters that one rendering may touch: a stock task touches some thousands."""
_BITS = 4096  # of a whole number
_LEFT: ContextVar[list[int] | None] = ContextVar("left", default=None)


@contextmanager
def spending() -> Iterator[None]:
    """Give the body a full tank."""
    token = _LEFT.set([_FUEL])
    try:
        yield
    finally:
        _LEFT.reset(token)


def _pay(price: int) -> None:
    left = _LEFT.get()
    if left is not None:
        left[0] -= price
        if left[0] < 0:
            raise SecurityError("it works for too long")


def _size(value: Any) -> int:
    return len(value) if isinstance(value, Sized) else 1


def touched(value: Any) -> Any:
    """Return the value, paid for by its length."""
    _pay(_size(value))
    return value


def counted(values: Any, printed: int = 0) -> Any:
    """Return what a loop goes over; each round prints `printed` characters that stand in the template."""
    if not isinstance(values, Sized):
        values = list(values)
    _pay(len(values) * (1 + printed))
    return values


def weighed(value: Any) -> Any:
    """Return the value, or raise where it is too large to be kept; an iterator becomes a list."""
    if isinstance(value, str):  # as nearly always
        if len(value) > LARGEST:
            raise SecurityError("a text or list grows too long")
        _pay(1 + len(value))
        return value
    if hasattr(value, "__next__"):
        value = list(value)
    total, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += one.values()
            total += len(one)
        elif isinstance(one, list | tuple | set):
            waiting += one
            total += len(one)
        elif isinstance(one, str):
            total += len(one)
        total += 1
        if total > LARGEST:
            raise SecurityError("a text or list grows too long")
    _pay(total)
    return value


def replaced(text: Any, old: Any, new: Any, count: int | None = None) -> str:
    """`replace` of Jinja, and of texts, for results of a bounded length."""
    whole, part, other = str(text), str(old), str(new)
    times = whole.count(part) if count is None or count < 0 else min(count, whole.count(part))
    if len(whole) + times * (len(other) - len(part)) > LARGEST:
        raise SecurityError("a text or list grows too long")
    return whole.replace(part, other, times)


def joined_text(values: Any, between: Any = "") -> str:
    """`join` of Jinja, for results of a bounded length."""
    texts, gap = [str(one) for one in values], str(between)
    if sum(map(len, texts)) + len(gap) * len(texts) > LARGEST:
        raise SecurityError("a text or list grows too long")
    return gap.join(texts)


def rounded(value: float, precision: int = 0) -> float:
    """`round` of Jinja, to a precision that a number has."""
    if not -30 <= precision <= 30:
        raise SecurityError(f"round({precision}) is not for templates")
    return round(value, precision)


def check_product(left: Any, right: Any) -> None:
    """Raise where a product of whole numbers takes more than a number of any measure."""
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _BITS:
        raise SecurityError("a number grows too large")


def paid(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that pays for what it takes, and gives no text that is too long."""

    @functools.wraps(function)  # with what Jinja notes on it
    def pays(*arguments: Any, **named: Any) -> Any:
        for one in arguments:
            if isinstance(one, str | list | tuple | dict):
                _pay(1 + len(one))
        found = function(*arguments, **named)
        if isinstance(found, str) and len(found) > LARGEST:
            raise SecurityError("a text or list grows too long")
        return found

    return pays


FILTERS = {"fuel_counted": counted, "fuel_touched": touched, "fuel_weighed": weighed}
"""What `weighed_tree` puts into templates."""


def weighed_tree(tree: nodes.Template) -> nodes.Template:
    """Return a template's tree with prices put to whatever loops, keeps, prints or compares."""
    for loop in list(tree.find_all(nodes.For)):
        printed = sum(len(one.data) for one in loop.find_all(nodes.TemplateData))
        loop.iter = _filtered(loop.iter, "fuel_counted", nodes.Const(printed))
    for kept in list(tree.find_all(nodes.Assign)):
        kept.node = _filtered(kept.node, "fuel_weighed")
    for block in list(tree.find_all(nodes.AssignBlock)):
        block.filter = nodes.Filter(block.filter, "fuel_weighed", [], [], None, None, lineno=block.lineno)
    for output in list(tree.find_all(nodes.Output)):
        output.nodes = [
            one if isinstance(one, nodes.TemplateData) else _filtered(one, "fuel_weighed")
            for one in output.nodes
        ]
    for compared in list(tree.find_all(nodes.Compare)):
        compared.expr = _filtered(compared.expr, "fuel_touched")
        for operand in compared.ops:
            operand.expr = _filtered(operand.expr, "fuel_touched")
    for glued in list(tree.find_all(nodes.Concat)):
        glued.nodes = [_filtered(one, "fuel_weighed") for one in glued.nodes]
    if tree.environment is not None:
        tree.set_environment(tree.environment)  # to the new nodes too
    return tree


def _filtered(node: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Expr:
    if isinstance(node, nodes.Const):
        return node
    return nodes.Filter(cast(nodes.Expr, node), name, list(arguments), [], None, None, lineno=node.lineno)
