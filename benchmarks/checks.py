"""How well the checks of annotations find errors: precision and recall on errors of known kind and rate.

    python benchmarks/checks.py [--records 1000] [--seed 0] [--show 5] [--write]

Right answers and faulty ones are checked: drawn ones (`drawn_answers.py`), half of them with a fault, and
answers written whole, by hand (`whole_answers.py`). `--write` puts the tables into docs/checks.md, and the
main one into docs/annotate.md, between their markers.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drawn_answers import HERE, Corpus, corpora
from drawn_scores import measure, mislabelled, near_duplicates, speed, swap_controls
from scipy.stats import binomtest
from whole_answers import Score, measure_texts

from facedata.annotate.faults import FAULTS

WHOLE = {"known answers": HERE / "answers.yaml", "unseen answers": HERE / "unseen2.yaml"}
PAGES = {"checks.md": "all", "annotate.md": "main"}
DOCS = HERE.parent / "docs"
PRECISE = 0.9  # share of justified findings on unseen answers from which one in prose fails an answer
_MARKED = re.compile(r"(<!-- figures -->\n).*(\n<!-- end of figures -->)", re.DOTALL)


@dataclass
class Figures:
    """What was counted in one kind of text: scores by check and by fault, and how many answers there were."""

    checks: Mapping[str, Score]
    faults: Mapping[str, Score]
    cost: str = ""
    answers: int = field(init=False)

    def __post_init__(self) -> None:
        right = max(score.clean for score in self.checks.values())
        self.answers = right + sum(score.right + score.missed for score in self.faults.values())


def of_corpus(corpus: Corpus, records: int, seed: int) -> Figures:
    """Return the figures on drawn answers."""
    checks, faults = measure(corpus, records, seed)
    if corpus.prose:
        checks["near-duplicate"] = near_duplicates(corpus.bank.words, records, seed)
        checks["swap-control"] = swap_controls(corpus.bank.words, records, seed)
    else:
        checks["prototype"] = mislabelled(records, seed)
    ms, length = speed(corpus.sources, min(records, 300), seed)
    return Figures(checks, faults, f"{ms:.2f} ms a record of {length} characters")


def of_texts(path: Path) -> Figures:
    """Return the figures on whole answers."""
    return Figures(*measure_texts(path))


def flagging(figures: Figures) -> set[str]:
    """Return the checks of whose findings on their own fault and on right answers too few are justified.

    What one finds in an answer with another fault does no harm: that answer is sent back anyway.
    """
    return {
        rule
        for rule, one in figures.checks.items()
        if one.right + one.missed and one.right < PRECISE * (one.right + one.alarms)
    }


def share(hits: int, count: int) -> str:
    """Return a share in per cent with Wilson's interval."""
    if not count:
        return "-"
    low, high = binomtest(hits, count).proportion_ci(method="wilson")
    return f"{100 * hits / count:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def main_table(drawn: Sequence[Figures], unseen: Figures) -> str:
    """Return one row a fault: its check, its rate, and precision and recall on drawn and on unseen answers.

    Drawn figures are those of the first of `drawn` that has the fault.
    """
    lines = [
        "| Fault | Check | Drawn: rate, % | Precision, % | Recall, % "
        "| Unseen: rate, % | Precision, % | Recall, % |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for fault in FAULTS:
        drawn_from = next((one for one in drawn if _injected(one, fault.name)), None)
        cells = [
            *_cells(drawn_from, fault.name, fault.found_by[0]),
            *_cells(unseen, fault.name, fault.found_by[0]),
        ]
        lines.append(f"| {fault.name} | `{fault.found_by[0]}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _injected(figures: Figures, fault: str) -> int:
    score = figures.faults.get(fault)
    return score.right + score.missed if score else 0


def _cells(figures: Figures | None, fault: str, rule: str) -> tuple[str, str, str]:
    if figures is None or not (injected := _injected(figures, fault)):
        return "-", "-", "-"
    one, kind = figures.checks[rule], figures.faults[fault]
    rate = f"{100 * injected / figures.answers:.1f}"
    return rate, share(one.right, one.right + one.false), share(kind.right, injected)


def check_rows(name: str, figures: Figures) -> Iterator[str]:
    """Yield one row a check."""
    for rule, one in figures.checks.items():
        if faulty := one.right + one.missed:
            cells = (share(one.right, one.right + one.false), share(one.right, faulty), faulty)
            yield f"| `{rule}` | {name} | {' | '.join(map(str, cells))} | {share(one.alarms, one.clean)} |"


def fault_rows(name: str, figures: Figures) -> Iterator[str]:
    """Yield one row a fault, and the cost."""
    for fault, one in figures.faults.items():
        if count := one.right + one.missed:
            yield f"| {fault} | {name} | {share(one.right, count)} | {count} |"
    if figures.cost:
        yield f"| all checks: {figures.cost} | {name} | | |"


def long_tables(figures: Mapping[str, Figures]) -> str:
    """Return the rows of all kinds of text, by check and by fault."""
    lines = [
        "| Check | Text | Precision, % | Recall, % | Faults | False alarms on right answers, % |",
        "|---|---|---:|---:|---:|---:|",
        *(row for name, one in figures.items() for row in check_rows(name, one)),
        "",
        "| Fault | Text | Found, % | Faults |",
        "|---|---|---:|---:|",
        *(row for name, one in figures.items() for row in fault_rows(name, one)),
    ]
    return "\n".join(lines)


def all_figures(records: int, seed: int) -> dict[str, Figures]:
    """Return the figures by kind of text."""
    drawn = {one.name: of_corpus(one, records, seed) for one in corpora()}
    return drawn | {name: of_texts(path) for name, path in WHOLE.items()}


def _show(figures: Mapping[str, Figures], count: int) -> None:
    for name, one in figures.items():
        for kind, score in {**one.checks, **one.faults}.items():
            for text in (*score.missing[:count], *score.alarming[:count]):
                print(f"{name}: {kind}: {text}\n", file=sys.stderr)


def main() -> None:
    """Print the tables, or write them between the markers of the pages."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--records", type=int, default=1000, help="right answers drawn, and as many faulty ones"
    )
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--show", type=int, default=0, help="misses and false alarms to show of each kind")
    options.add_argument("--write", action="store_true", help="put the tables into docs/")
    chosen = options.parse_args()
    figures = all_figures(chosen.records, chosen.seed)
    _show(figures, chosen.show)
    drawn = [one for name, one in figures.items() if name not in WHOLE]
    tables = {"main": main_table(drawn, figures["unseen answers"]), "all": long_tables(figures)}
    for page, kind in PAGES.items():
        if not chosen.write:
            print(tables[kind], "\n")
            continue
        text = (DOCS / page).read_text("utf-8")
        (DOCS / page).write_text(
            _MARKED.sub(lambda m, kind=kind: f"{m[1]}{tables[kind]}{m[2]}", text), "utf-8"
        )


if __name__ == "__main__":
    main()
