"""FiftyOne's plugin @facedata/curation, imported by FiftyOne, in the App's server, and by nobody else."""

from __future__ import annotations

from typing import Any

__all__ = ["register"]


def register(plugin: Any) -> None:
    """Register the panel and the operators: what FiftyOne calls once it has found the plugin."""
    from facedata.curate.plugin.operators import AugmentSelected, ReannotateSelected, SaveCuration
    from facedata.curate.plugin.panel import CurationPanel

    for one in (CurationPanel, SaveCuration, AugmentSelected, ReannotateSelected):
        plugin.register(one)
