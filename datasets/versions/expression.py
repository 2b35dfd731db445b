"""A small language for conditions on rows, such as `label == "spoof" and attack.startswith("print")`.

It is Python's grammar with few of its words: comparisons, `and`, `or`, `not`, `in`, `is None`, arithmetic,
`len`, `abs`, and the text methods of `METHODS`. Names are columns; `source.file`, `attributes.a.b` and
`parameters.a` reach into them, `au[12]` is the intensity of an action unit. Nothing is ever run as Python:
the text is parsed, every node is checked against what is allowed, and the rest is Arrow's kernels on whole
batches.

Null is a value here, as in Python, so a condition is true or false and never a third thing: null equals null
(`attack is None`) and differs from all else (`attack != "print"` holds for live faces); order (`<`, `>=`) and
text methods are false of null, and so is `in` unless the list names None; arithmetic with null gives null.
"""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from dataclasses import dataclass, field
from typing import Any, Never

import pyarrow as pa
import pyarrow.compute as pc

from facedata.datasets.errors import DatasetError, UsageError
from facedata.datasets.sample import SCHEMA, json_object

__all__ = ["METHODS", "Expression"]

METHODS = ("startswith", "endswith", "contains", "lower", "upper")
_MOST_CHARACTERS, _MOST_NODES = 10_000, 2_000
_JSON = ("attributes", "parameters")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_COMPARE = {
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}


@dataclass(frozen=True)
class Expression:
    """A checked condition. `columns` are those that it reads.

    Raises UsageError, on construction or when a batch shows a type that does not fit, naming the place.
    """

    text: str
    where: str = "expression"
    columns: tuple[str, ...] = field(init=False)
    _tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tree = self._parse()
        object.__setattr__(self, "_tree", tree)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        object.__setattr__(self, "columns", tuple(name for name in SCHEMA.names if name in names))
        self.mask(SCHEMA.empty_table())  # names and types are wrong now, not after an hour

    def mask(self, rows: pa.Table) -> pa.BooleanArray:
        """Return for each row of a table with `columns` whether the condition holds; never null."""
        try:
            return _Evaluation(self, rows).condition(self._tree)
        except RecursionError:
            raise UsageError(f"{self.where} is nested too deeply; make it shorter") from None

    def fail(self, node: ast.AST, message: str) -> Never:
        """Raise UsageError that shows the part of the text that `node` is."""
        part = ast.get_source_segment(self.text, node) or self.text
        if len(part) > 60:
            part = part[:57] + "..."
        before = self.text.encode()[: getattr(node, "col_offset", 0)]  # the parser counts bytes
        place = len(before.decode("utf-8", "ignore")) + 1
        raise UsageError(f"{self.where}: at {place}: {part!r}: {message}")

    def _parse(self) -> ast.expr:
        if len(self.text) > _MOST_CHARACTERS:
            raise UsageError(f"{self.where} has {len(self.text)} characters; {_MOST_CHARACTERS} are the most")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd escapes in a text: it is compared, never run
                tree = ast.parse(self.text.strip(), mode="eval").body
        except SyntaxError as error:
            shown = self.text if len(self.text) <= 60 else self.text[:57] + "..."
            single = re.search(r"[^=!<>]=(?!=)", self.text)
            hint = "; compare with ==" if single and "==" not in self.text else ""
            raise UsageError(
                f"{self.where}: at {error.offset or 1}: {error.msg} in {shown!r}{hint}"
            ) from None
        except (ValueError, MemoryError, RecursionError):
            raise UsageError(
                f"{self.where} cannot be parsed: nested too deeply, or with a null byte"
            ) from None
        object.__setattr__(self, "text", self.text.strip())
        if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
            raise UsageError(f"{self.where} has more than {_MOST_NODES} parts; make it shorter")
        return tree


class _Json:
    """A value inside a column of JSON, before it is known which."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def member(self, name: str) -> _Json:
        return _Json([value.get(name) if isinstance(value, dict) else None for value in self.values])


class _Evaluation:
    """One batch under one expression. A value is an Arrow array, a scalar, or a Python list of constants."""

    def __init__(self, expression: Expression, rows: pa.Table) -> None:
        self.rows = rows
        self.fail = expression.fail

    def condition(self, node: ast.expr) -> pa.BooleanArray:
        match node:
            case ast.BoolOp(op=operation, values=values):
                kernel = pc.and_ if isinstance(operation, ast.And) else pc.or_
                mask = self.condition(values[0])
                for value in values[1:]:
                    mask = kernel(mask, self.condition(value))
                return mask
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return pc.invert(self.condition(operand))
            case ast.Compare():
                return self._comparison(node)
        value = self._value(node)
        if isinstance(value, list) or not (pa.types.is_boolean(value.type) or pa.types.is_null(value.type)):
            self.fail(node, "is a value, not a condition; compare it with something")
        return self._mask(value)

    def _mask(self, found: Any) -> pa.BooleanArray:
        if isinstance(found, pa.Scalar):
            return pa.array([bool(found.as_py())] * self.rows.num_rows, pa.bool_())
        return pc.fill_null(found.cast(pa.bool_()), False)

    def _comparison(self, node: ast.Compare) -> pa.BooleanArray:
        mask, left = None, node.left
        for operation, right in zip(node.ops, node.comparators, strict=True):
            found = self._compared(node, left, operation, right)
            mask = found if mask is None else pc.and_(mask, found)
            left = right
        return mask

    def _compared(
        self, node: ast.Compare, left: ast.expr, operation: ast.cmpop, right: ast.expr
    ) -> pa.BooleanArray:
        if isinstance(operation, (ast.In, ast.NotIn)):
            mask = self._mask(self._contained(node, self._value(left), self._value(right)))
            return pc.invert(mask) if isinstance(operation, ast.NotIn) else mask
        a, b = self._plain(left), self._plain(right)
        if isinstance(operation, (ast.Is, ast.IsNot)) and not pa.types.is_null(b.type):
            self.fail(node, "`is` is for None; use == for everything else")
        self._same_kind(node, a, b)
        if isinstance(operation, (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)):
            both = pc.and_(self._mask(pc.is_null(a)), self._mask(pc.is_null(b)))
            mask = both
            if not (pa.types.is_null(a.type) or pa.types.is_null(b.type)):
                mask = pc.or_(both, self._mask(pc.equal(a, b)))
            return pc.invert(mask) if isinstance(operation, (ast.NotEq, ast.IsNot)) else mask
        if pa.types.is_null(a.type) or pa.types.is_null(b.type):
            return self._mask(pa.scalar(False))
        return self._mask(_COMPARE[type(operation)](a, b))

    def _contained(self, node: ast.Compare, left: Any, right: Any) -> Any:
        if isinstance(right, list):
            if isinstance(left, list):
                self.fail(node, "a list is in no list")
            for value in right:
                self._same_kind(node, left, value)
            chosen = [value.as_py() for value in right if value.is_valid]
            null = self._mask(pc.is_null(left) if len(chosen) < len(right) else pa.scalar(False))
            if pa.types.is_null(left.type) or not chosen:
                return null
            kind = pa.float64() if any(isinstance(value, float) for value in chosen) else None
            found = pc.is_in(left.cast(kind) if kind else left, value_set=pa.array(chosen, kind or left.type))
            return pc.or_(null, self._mask(found))
        if isinstance(left, list) or not isinstance(left, pa.Scalar):
            self.fail(node, 'the left of `in` is a constant here, such as "print" in attack')
        if _kind(right) == "list":
            return _holds(right, left.as_py())
        if _kind(right) not in ("text", "null") or _kind(left) != "text":
            self.fail(node, '`in` takes a list, such as ["a", "b"], or looks for a text in a text')
        if pa.types.is_null(right.type):
            return pa.scalar(False)
        return pc.match_substring(right, left.as_py())

    def _same_kind(self, node: ast.AST, a: Any, b: Any) -> None:
        kinds = {_kind(a), _kind(b)} - {"null"}
        if len(kinds) > 1:
            self.fail(node, f"a {_kind(a)} cannot be compared with a {_kind(b)}")

    def _plain(self, node: ast.expr) -> Any:
        value = self._value(node)
        if isinstance(value, list) or _kind(value) == "list":
            self.fail(node, "is a list; use `in`, len() or an index")
        return value

    def _value(self, node: ast.expr) -> Any:
        value = self._raw(node)
        return self._settled(node, value) if isinstance(value, _Json) else value

    def _settled(self, node: ast.expr, value: _Json) -> Any:
        if any(isinstance(one, dict) for one in value.values):
            self.fail(node, "holds further names; say which, with a dot")
        try:
            return pa.array(value.values)
        except (pa.ArrowException, OverflowError):
            self.fail(node, "holds values of several types; they cannot be compared")

    def _raw(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return self._constant(node, value)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return [self._constant(e, _literal(e, self.fail)) for e in elements]
            case ast.Name(id=name):
                return self._column(node, name)
            case ast.Attribute(value=inner, attr=name):
                return self._member(node, inner, name)
            case ast.Subscript(value=inner, slice=index):
                return self._indexed(node, self._raw(inner), _literal(index, self.fail))
            case ast.Call():
                return self._called(node)
            case ast.BinOp(left=left, op=operation, right=right):
                return self._arithmetic(node, self._number(left), operation, self._number(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return pc.negate(self._number(operand))
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return self.condition(node)
        self.fail(node, "is not part of this language")

    def _constant(self, node: ast.expr, value: Any) -> pa.Scalar:
        half = isinstance(value, str) and any("\ud800" <= one <= "\udfff" for one in value)  # no UTF-8 has it
        if value is None or (isinstance(value, (bool, str, float)) and not half):
            return pa.scalar(value)
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            return pa.scalar(value, pa.int64())
        self.fail(node, "is no text, number, boolean or None that a row could hold")

    def _column(self, node: ast.expr, name: str) -> Any:
        if name in _WORDS:
            return pa.scalar(_WORDS[name])
        if name not in SCHEMA.names:
            close = difflib.get_close_matches(name, SCHEMA.names, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            self.fail(node, f"no column of that name; {hint}the columns are {', '.join(SCHEMA.names)}")
        column = self.rows[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # of an empty table
            column = pa.array([], column.type)
        if name in _JSON:
            return _Json([_parsed(text, name) for text in column.to_pylist()])
        return column

    def _member(self, node: ast.Attribute, inner: ast.expr, name: str) -> Any:
        if not isinstance(inner, (ast.Name, ast.Attribute, ast.Subscript)):
            self.fail(node, f"no value has a member {name!r}")
        value = self._raw(inner)
        if isinstance(value, _Json):
            return value.member(name)
        if isinstance(value, pa.Array) and pa.types.is_struct(value.type):
            known = [child.name for child in value.type]
            if name in known:
                return pc.struct_field(value, name)
            self.fail(node, f"no {name!r} here; there are {', '.join(known)}")
        hint = f"; call it: .{name}(...)" if name in METHODS else ""
        self.fail(node, f"a {_kind(value)} has no member {name!r}{hint}")

    def _indexed(self, node: ast.expr, value: Any, index: Any) -> Any:
        if isinstance(value, _Json):
            if isinstance(index, str):
                return value.member(index)
            value = self._settled(node, value)
        if isinstance(index, bool) or not isinstance(index, int) or _kind(value) != "list":
            self.fail(node, "takes au[12], box[0], or a name in quotes inside attributes or parameters")
        if isinstance(value, list):
            self.fail(node, "is a constant already")
        rows = value.to_pylist()
        if pa.types.is_struct(value.type.value_type):  # action units: by number, not by place
            if value.type.value_type.get_field_index("au") < 0:
                self.fail(node, 'has no numbers; use "name" in layers')
            units = ({one["au"]: one["intensity"] for one in row or ()} for row in rows)
            return pa.array([unit.get(index) for unit in units], pa.float64())
        inside = (row is not None and -len(row) <= index < len(row) for row in rows)
        picked = [row[index] if there else None for row, there in zip(rows, inside, strict=True)]
        return pa.array(picked, value.type.value_type)

    def _called(self, node: ast.Call) -> Any:
        if node.keywords:
            self.fail(node, "takes no named arguments")
        match node.func:
            case ast.Name(id="len") if len(node.args) == 1:
                return self._length(node, self._value(node.args[0]))
            case ast.Name(id="abs") if len(node.args) == 1:
                return pc.abs(self._number(node.args[0]))
            case ast.Attribute(value=inner, attr=name) if name in METHODS:
                return self._method(node, self._value(inner), name, [self._value(a) for a in node.args])
        self.fail(node.func, f"is no function here; there are len, abs, and .{'(), .'.join(METHODS)}()")

    def _length(self, node: ast.Call, value: Any) -> Any:
        if isinstance(value, list):
            return pa.scalar(len(value), pa.int64())
        if _kind(value) == "null":
            return value
        if _kind(value) == "list":
            return pc.list_value_length(value)
        if _kind(value) != "text":
            self.fail(node, f"a {_kind(value)} has no length")
        return pc.utf8_length(value)

    def _method(self, node: ast.Call, value: Any, name: str, arguments: list[Any]) -> Any:
        if isinstance(value, list) or _kind(value) not in ("text", "null"):
            self.fail(node, f"only a text has .{name}()")
        folds = name in ("lower", "upper")
        if len(arguments) != (0 if folds else 1):
            self.fail(node, f".{name}() takes {'nothing' if folds else 'one text'}")
        if _kind(value) == "null":
            return value if folds else pa.scalar(False)
        if folds:
            return (pc.utf8_lower if name == "lower" else pc.utf8_upper)(value)
        kernel = {"startswith": pc.starts_with, "endswith": pc.ends_with, "contains": pc.match_substring}[
            name
        ]
        patterns = arguments[0] if isinstance(arguments[0], list) else arguments
        mask = self._mask(pa.scalar(False))
        for pattern in patterns:
            if not isinstance(pattern, pa.Scalar) or _kind(pattern) != "text":
                self.fail(node, f".{name}() takes a text in quotes, or several in parentheses")
            mask = pc.or_(mask, self._mask(kernel(value, pattern.as_py())))
        return mask

    def _number(self, node: ast.expr) -> Any:
        value = self._value(node)
        if isinstance(value, list) or _kind(value) not in ("number", "null"):
            self.fail(node, f"is a {'list' if isinstance(value, list) else _kind(value)}, not a number")
        return value.cast(pa.float64())  # a sum must not wrap around

    def _arithmetic(self, node: ast.BinOp, a: Any, operation: ast.operator, b: Any) -> Any:
        match operation:
            case ast.Add():
                return pc.add(a, b)
            case ast.Sub():
                return pc.subtract(a, b)
            case ast.Mult():
                return pc.multiply(a, b)
            case ast.Div():
                return pc.divide(a, b)
            case ast.FloorDiv():
                return pc.floor(pc.divide(a, b))
            case ast.Mod():
                return pc.subtract(a, pc.multiply(b, pc.floor(pc.divide(a, b))))
        self.fail(node, "the arithmetic is + - * / // %")


def _literal(node: ast.expr, fail: Any) -> Any:
    """Return the constant that a node is: a number may have a sign."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Name(id=name) if name in _WORDS:
            return _WORDS[name]
    fail(node, "is no constant; a list or an index holds texts and numbers only")


def _parsed(text: str | None, column: str) -> Any:
    try:
        return json_object(text)
    except DatasetError as error:
        raise DatasetError(f"the column {column!r}: {error}") from None


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "list"
    kind = value.type
    if pa.types.is_null(kind):
        return "null"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_list(kind):
        return "list"
    return "group of values" if pa.types.is_struct(kind) else "number"


def _holds(lists: Any, wanted: Any) -> pa.BooleanArray:
    """Return which lists hold a value; layers by name, action units by number."""
    inner = lists.type.value_type
    key = inner.field(0).name if pa.types.is_struct(inner) else None
    rows = lists.to_pylist()
    if key is None:
        return pa.array([row is not None and wanted in row for row in rows], pa.bool_())
    return pa.array([any(one[key] == wanted for one in row or ()) for row in rows], pa.bool_())
