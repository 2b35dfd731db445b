"""Which signs of an attack, or of a live face, a picture shows by what is recorded of it.

A sign is named only where the physics of the recorded parameters left it large enough to be seen; the tables
`cues` and `live` of `knowledge` say when. Of an attack whose making is not recorded no sign is claimed, not
even a typical one: all that is said is what its species alone implies (`implied`), and its kind says so.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facedata.annotate.knowledge import knowledge
from facedata.annotate.sandbox import condition, joined, value
from facedata.annotate.visible import measures
from facedata.datasets.sample import Sample

__all__ = ["filled", "signs_of"]

_RECAPTURES = ("print-", "replay-", "paper-", "mask-")
_LEAST_SHARE = 0.5  # of the recaptured picture in a mixture with the clean one
_BLURRING = ("low-resolution", "hand-trembling")
_FINE = ("grid", "moire", "dots", "fibre", "fringe")  # measures of what a blur or a smaller size removes
_GAP = re.compile(r"\{(\w+)\}")


def signs_of(sample: Sample, region: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """Return the signs of a row: name, kind (`medium`, `live`, `camera`), `where` and `values` of each.

    `region` is the evidence of that name. Of an attack whose making is not recorded, one of kind `species`,
    which is nothing that was seen. None where not even the species implies one.
    """
    steps = _steps(sample)
    if sample.label == "live":
        return [
            *({"name": name, "kind": "live"} for name in knowledge("live")["signs"]),
            *_camera(sample, steps),
        ]
    if sample.label != "spoof" or sample.attack is None:
        return None
    acting = [(number, *step) for number, step in enumerate(steps) if _of_attack(step[0], sample.attack)]
    if not acting:
        return _implied(sample.attack)
    found: dict[str, dict[str, Any]] = {}
    for number, operator, parameters in acting:
        if operator.startswith(_RECAPTURES) and parameters.get("strength", 1) < _LEAST_SHARE:
            continue
        later = [name for name, _ in steps[number + 1 :]]
        known = _known(sample, operator, parameters, region or {}, later)
        for name, cue in _cues_of(sample.attack, knowledge("attacks")["operators"][operator]).items():
            if name not in found and condition(cue["when"], **known):
                found[name] = _sign(name, "medium", cue, known)
    return list(found.values())


def _implied(attack: str) -> list[dict[str, Any]] | None:
    for name, sign in knowledge("implied").items():
        if any(_below(attack, prefix) for prefix in sign["species"]):
            return [{"name": name, "kind": "species"}]
    return None


def filled(text: str, values: Mapping[str, Any]) -> str:
    """Return a phrase with its gaps, `{name}`, filled; raise KeyError where a value is missing.

    >>> filled("about {pitch} px", {"pitch": 3.1})
    'about 3.1 px'
    """
    return _GAP.sub(lambda gap: str(values[gap[1]]), text)


def _known(
    sample: Sample,
    operator: str,
    parameters: Mapping[str, Any],
    region: Mapping[str, Any],
    later: Sequence[str],
) -> dict[str, Any]:
    told = (sample.attributes or {}).get("truth") or ()
    truth: Mapping[str, Any] = next((one for one in told if one.get("operator") == operator), {})
    found = measures(operator, parameters, truth, sample.width, sample.height)
    if any(name in _BLURRING for name in later):
        found = {name: size for name, size in found.items() if not name.startswith(_FINE)}
    return {"operator": operator, "p": parameters, "m": found, "region": region}


def _sign(name: str, kind: str, cue: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    values = {gap: value(text, **known) for gap, text in cue.get("values", {}).items()}
    values |= {"edges": _edges(known["region"].get("edges", ()))}
    sign = {"name": name, "kind": kind, "values": values}
    return sign | {"where": filled(cue["where"], values)} if "where" in cue else sign


def _edges(names: Sequence[str]) -> str:
    if len(names) == 4:
        return "all four edges of the picture"
    return f"the {joined(names)} edge{'s' if len(names) > 1 else ''} of the picture"


@functools.cache
def _cues_of(attack: str, made: str) -> dict[str, dict[str, Any]]:
    """Return the cues that fit both the row's species and that of the step, in the order of the table."""
    return {
        name: cue
        for name, cue in knowledge("cues").items()
        if all(any(_below(one, prefix) for prefix in cue["species"]) for one in (attack, made))
    }


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}/")


def _of_attack(operator: str, attack: str) -> bool:
    """Whether a step made the medium that stands before the camera: a print on a screen is a replay."""
    made = knowledge("attacks")["operators"].get(operator)
    return made is not None and made.split("/")[0] == attack.split("/")[0]


def _camera(sample: Sample, steps: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    for operator, parameters in steps:
        if operator == "capture" and parameters.get("strength", 1) >= _LEAST_SHARE:
            known = _known(sample, operator, parameters, {}, ())
            for name, sign in knowledge("live")["camera"].items():
                if condition(sign["when"], **known):
                    yield {"name": name, "kind": "camera"}


def _steps(sample: Sample) -> list[tuple[str, Mapping[str, Any]]]:
    steps = (sample.parameters or {}).get("steps", ())
    return [(step["operator"], step["parameters"]) for step in steps if "operator" in step]
