"""The listing of `facedata annotate --list`."""

from __future__ import annotations


def show_tasks() -> None:
    """Print the stock tasks with what they need of a sample, and the providers."""
    from rich.console import Console
    from rich.table import Table

    from facedata.annotate.providers.catalogue import PROVIDERS
    from facedata.annotate.tasks import load_task, stock_tasks

    console = Console()
    tasks = Table("task", "needs", "what it is", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in stock_tasks():
        task = load_task(name)
        tasks.add_row(name, ", ".join(task.needs) or "nothing", f"{task.about} After {task.source}.")
    console.print(tasks)
    console.print()
    providers = Table("provider", "what it is", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, (about, _) in PROVIDERS.items():
        providers.add_row(name, about)
    console.print(providers)
