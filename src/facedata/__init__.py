"""facedata: face datasets with physics, truth and a history.

The rooms are `facedata.datasets`, `facedata.augment`, `facedata.synth`, `facedata.annotate`,
`facedata.curate`, `facedata.recipes` and `facedata.cli`; importing this package loads none of them.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
