"""YAML of a file that anybody may have written: plain values alone, of a bounded size.

The safe loader runs no code, but a few hundred bytes of aliases stand for more values than any memory holds,
nesting without end ends the interpreter's stack, and its own parsers of dates and numbers raise what they
like. Here all of that is one error, `YAMLError`.
"""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["load_yaml"]

_LONGEST = 4 << 20
"""Characters: thousands of times what a policy or a task takes."""
_MOST = 200_000
"""Values, each alias counted as often as it stands for something."""
_DEEPEST = 50


def load_yaml(text: str) -> Any:
    """Return what YAML text says; raise YAMLError where it is not valid, too deep or too large."""
    if len(text) > _LONGEST:
        raise yaml.YAMLError(f"{len(text)} characters are more than a file of settings has ({_LONGEST})")
    _refuse_depth(text)
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, 0)
        return loader.construct_document(node)
    except yaml.YAMLError:
        raise
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        # What the loader's constructors raise on a date such as 2001-99-99 or an empty number.
        raise yaml.YAMLError(f"a value is not what its form says ({error})") from None
    finally:
        loader.dispose()


def _refuse_depth(text: str) -> None:
    """Look for nesting before the parser does, which takes time in the square of the depth."""
    depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            if depth > 20 * _DEEPEST:  # some may stand in texts
                raise yaml.YAMLError("it is nested too deeply")
        elif character in "]}":
            depth = max(0, depth - 1)


def _count(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """Return how many values a node stands for; an alias is its node, met again."""
    if depth > _DEEPEST:
        raise yaml.YAMLError("it is nested too deeply")
    if id(node) in known:
        if not known[id(node)]:
            raise yaml.YAMLError("an alias stands within what it stands for")
        return known[id(node)]
    known[id(node)] = 0  # being counted
    total = 1
    children = node.value if isinstance(node, yaml.CollectionNode) else ()
    for child in children:
        for one in child if isinstance(child, tuple) else (child,):
            total += _count(one, known, depth + 1)
            if total > _MOST:
                raise yaml.YAMLError(f"its aliases stand for more than {_MOST} values")
    known[id(node)] = total
    return total
