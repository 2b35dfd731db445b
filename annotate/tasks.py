"""Tasks as data: one YAML file says what is asked, of which samples, and how an answer looks and is checked.

A task's texts are Jinja templates, run in a sandbox: `prompt` and `system` are what a provider is sent,
`turns` what the finished conversation says, `rules` how an answer is written from labels alone. Adding a task
needs no code: put a YAML file beside the stock ones, or give its path.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from jinja2 import TemplateError, TemplateSyntaxError
from jsonschema_rs import ValidationError as SchemaError
from jsonschema_rs import Validator, validator_for
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS, grade
from facedata.annotate.knowledge import clauses, knowledge, signs
from facedata.annotate.sandbox import fixed, predicates, template
from facedata.annotate.signs import filled
from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.errors import UsageError
from facedata.datasets.safe_yaml import load_yaml
from facedata.datasets.words import Words

__all__ = ["CheckSpec", "Dialogue", "Task", "load_task", "stock_tasks"]


Demographic = Literal["age", "gender", "race"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CheckSpec(_Model):
    """A check by name, with its settings; `severity` is what a breach means."""

    rule: str
    severity: Literal["flag", "fail"] = "fail"
    settings: Mapping[str, Any] = Field(default_factory=dict)


class Dialogue(_Model):
    """One exchange of the finished conversation: one of the wordings of `ask`, and the `answer`'s template.

    `when` is a template; where it renders to nothing, `false` or `none` the exchange is left out.
    """

    ask: tuple[str, ...] = Field(min_length=1)
    answer: str
    when: str = "true"


class Task(_Model):
    """One annotation task; see the module."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: int = Field(ge=1)
    about: str
    source: str
    """The paper whose instruction sets it makes repeatable."""
    level: Literal["image", "person", "region"] = "image"
    needs: tuple[str, ...] = ()
    """Keys of the evidence that a sample must have; others are passed over and counted."""
    uses: tuple[str, ...] = ()
    """Keys of the evidence that the task looks at where a sample has them."""
    images: tuple[Literal["picture", "face"], ...] = ("picture",)
    offers: tuple[Demographic, ...] = ()
    """Demographics that the task can ask for; it does so where they are in `sensitive`."""
    sensitive: tuple[Demographic, ...] = ()
    """Demographics that the task asks for on purpose; all others may not appear in its answers."""
    system: str = ""
    prompt: str
    response: Mapping[str, Any]
    rules: str
    turns: tuple[Dialogue, ...] = Field(min_length=1)
    checks: tuple[CheckSpec, ...] = ()

    @field_validator("response")
    @classmethod
    def _is_schema(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            validator_for(dict(value))
        except SchemaError as error:
            raise ValueError(f"not a JSON schema: {error.message}") from None
        return value

    @functools.cached_property
    def template_hash(self) -> str:
        """The id of everything that shapes requests and conversations."""
        return identifier("task", self.model_dump(mode="json", exclude={"about", "source", "checks"}))

    @functools.cached_property
    def schema_hash(self) -> str:
        """The id of the response schema."""
        return identifier("schema", self.response)

    @functools.cached_property
    def schema_text(self) -> str:
        """The canonical JSON of the response schema."""
        return canonical_json(self.response)

    @functools.cached_property
    def validator(self) -> Validator:
        """What tells whether an answer is one of the response schema."""
        return validator_for(dict(self.response))

    def asking(self, *demographics: str) -> Task:
        """Return the task that asks for these demographics too, which it must offer."""
        for name in demographics:
            if name not in self.offers:
                offered = ", ".join(self.offers) or "no demographics"
                raise UsageError(f"task {self.name} does not ask for {name!r}; it offers {offered}")
        return self.model_copy(update={"sensitive": tuple(sorted({*self.sensitive, *demographics}))})

    def looked_at(self, evidence: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of a sample's evidence that the task may see: nothing else can shape an answer."""
        seen = ("picture", *self.needs, *self.uses, *(("demographics",) if self.sensitive else ()))
        return {key: evidence[key] for key in seen if key in evidence}

    def missing(self, evidence: Mapping[str, Any]) -> list[str]:
        """Return the needed keys that a sample's evidence lacks."""
        return [key for key in self.needs if evidence.get(key) in (None, [], {})]

    def asked(self, evidence: Mapping[str, Any], words: Words) -> tuple[str, str]:
        """Return (system, prompt) as a provider is sent them."""
        known = {"evidence": evidence, "schema": self.response}
        return self._render("system", known, words), self._render("prompt", known, words)

    def written(self, evidence: Mapping[str, Any], words: Words) -> Any:
        """Return the answer that the task's rules write from the evidence alone."""
        text = self._render("rules", {"evidence": evidence}, words)
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageError(f"task {self.name}: its rules wrote no JSON ({error}): {text[:200]!r}") from None

    def conversation(self, evidence: Mapping[str, Any], response: Any, words: Words) -> list[tuple[str, str]]:
        """Return (question, answer) pairs of the finished conversation."""
        pairs = []
        known = {"evidence": evidence, "response": response}
        for number, turn in enumerate(self.turns):
            stream = words.named(f"turn {number}")
            if self._text(turn.when, known, stream).strip().lower() in ("", "false", "none", "[]"):
                continue
            ask = self._text(stream.choice(turn.ask), known, stream)
            pairs.append((ask.strip(), self._text(turn.answer, known, stream).strip()))
        return pairs

    def _render(self, part: str, known: Mapping[str, Any], words: Words) -> str:
        return self._text(getattr(self, part), known, words.named(part)).strip()

    def _text(self, text: str, known: Mapping[str, Any], words: Words) -> str:
        try:
            if (same := fixed(text)) is not None:
                return same
            picker = _Picker(words)
            helpers = {name: getattr(picker, name) for name in ("say", "seen", "shuffled", "told")}
            return template(text).render({**_tables(), **known, "pick": picker, **helpers})
        except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
            raise UsageError(f"task {self.name}: a template failed: {error}; mend the task") from None


class _Picker:
    """`pick(a, b, ...)` in a template: one of its arguments, by hash words; and its kin."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def __call__(self, *options: Any) -> Any:
        if not options:
            raise ValueError("pick() needs something to choose from")
        return self._words.choice(options)

    def say(self, phrases: Sequence[str], values: Mapping[str, Any] | None = None) -> str:
        """Return one of the phrases, with its gaps filled from `values`."""
        return filled(self(*phrases), values or {})

    def told(self, traits: Sequence[Mapping[str, Any]]) -> str:
        """Return one phrase of each trait's `says`, in one clause."""
        return predicates([self(*trait["says"]) for trait in traits])

    def seen(self, unit: Mapping[str, Any], units: Sequence[Mapping[str, Any]] = ()) -> str:
        """Return what is seen of an action unit, with its side; `units` are those that show with it."""
        found = clauses(unit["au"], [one["au"] for one in units]) or [f"{unit['name']} shows"]
        return str(self(*found)) + (f" on the person's {unit['side']} side" if "side" in unit else "")

    def shuffled(self, items: Sequence[Any]) -> list[Any]:
        """Return the items in an order by hash words (Fisher and Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self._words.integer(0, last)
            order[last], order[other] = order[other], order[last]
        return order


@functools.cache
def _tables() -> dict[str, Any]:
    """Return what every template knows: see docs/annotate.md."""
    return {
        "expressions": EXPRESSIONS,
        "faces": knowledge("expressions"),
        "degrees": knowledge("degrees"),
        "action_units": {
            number: {"name": unit.name, "region": unit.region, **knowledge("action_units").get(number, {})}
            for number, unit in ACTION_UNITS.items()
        },
        "attacks": knowledge("attacks"),
        "traits": knowledge("attributes"),
        "signs": signs(),
        "cues": knowledge("cues"),
        "grade": grade,
    }


def stock_tasks() -> dict[str, Path]:
    """Return the stock tasks' files by name."""
    folder = Path(str(files("facedata.annotate"))) / "tasks"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_task(name: str | Path) -> Task:
    """Return a stock task by name, or one of a YAML file by path; raise UsageError saying what is wrong."""
    stock = stock_tasks()
    path = stock.get(str(name), Path(name))
    if not path.is_file():
        raise UsageError(f"no task {str(name)!r}; give a YAML file or one of {', '.join(stock)}")
    try:
        values = load_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML ({error}); mend it") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: a task is a mapping of fields; see docs/annotate.md")
    try:
        task = Task.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "top level"
        raise UsageError(f"{path}: {place}: {problem['msg']}") from None
    for place, text in _texts(task):
        try:
            template(text)
        except TemplateSyntaxError as error:
            raise UsageError(f"{path}: {place}: line {error.lineno}: {error.message}") from None
    return task


def _texts(task: Task) -> list[tuple[str, str]]:
    texts = [("system", task.system), ("prompt", task.prompt), ("rules", task.rules)]
    for number, turn in enumerate(task.turns):
        texts += [(f"turns.{number}.ask", ask) for ask in turn.ask]
        texts += [(f"turns.{number}.answer", turn.answer), (f"turns.{number}.when", turn.when)]
    return texts
