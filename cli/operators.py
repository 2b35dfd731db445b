"""The listing of `facedata augment --list`."""

from __future__ import annotations


def show_operators() -> None:
    """Print operators, their parameters with units and ranges, their label effects, and the policies."""
    from rich.console import Console
    from rich.table import Table

    from facedata.augment.policy import stock_policies
    from facedata.augment.registry import OPERATORS

    table = Table("operator", "label", "parameter", "unit", "physical range", "drawn from", "what it is")
    for operator in OPERATORS.values():
        effect = f"spoof: {operator.attack}" if operator.attack else "kept"
        name = f"{operator.name} v{operator.version}"
        for parameter, field in operator.parameters.model_fields.items():
            mark = " *" if parameter == operator.strength else ""
            table.add_row(
                name,
                effect,
                parameter + mark,
                operator.unit(parameter),
                operator.range(parameter),
                operator.drawn(parameter),
                field.description or "",
            )
            name = effect = ""
        table.add_section()
    console = Console()
    console.print(table)
    console.print("* strength: its neutral value leaves the picture as it is; levels of a policy act on it.")
    policies = Table("policy", "what it is")
    for policy, description in stock_policies().items():
        policies.add_row(policy, description)
    console.print(policies)
