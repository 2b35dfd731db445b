"""The listing of `facedata augment --list`."""

from __future__ import annotations


def show_operators() -> None:
    """Print operators, their parameters with units and ranges, their label effects, and the policies."""
    from rich.console import Console
    from rich.table import Table

    from facedata.augment.policy import stock_policies
    from facedata.augment.registry import OPERATORS

    console = Console()
    for operator in OPERATORS.values():
        effect = f"makes spoof: {operator.attack}" if operator.attack else "label kept"
        console.print(f"[bold]{operator.name}[/] v{operator.version}  ({effect})", highlight=False)
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
        for column in ("  parameter", "unit", "range", "drawn from"):
            table.add_column(column, no_wrap=column == "  parameter")
        table.add_column("what it is", ratio=1)
        for name, field in operator.parameters.model_fields.items():
            mark = "*" if name == operator.strength else ""
            cells = (operator.unit(name), operator.range(name), operator.drawn(name), field.description)
            table.add_row(f"  {name}{mark}", *map(str, cells))
        console.print(table)
        console.print()
    console.print(
        "* the strength: at its neutral value the picture stays as it is; policies of levels act on it"
    )
    console.print()
    policies = Table("policy", "what it is", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for policy, description in stock_policies().items():
        policies.add_row(policy, description)
    console.print(policies)
