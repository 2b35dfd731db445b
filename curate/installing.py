"""`facedata curate install-plugin`: a link from FiftyOne's folder of plugins to the one in this package.

FiftyOne finds a plugin by the folders it scans, not by what is installed. A link follows every update of
facedata; a copy would grow old.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from facedata.datasets.errors import TargetError, UsageError

__all__ = ["PLUGIN", "install", "installed", "plugins_folder", "uninstall"]

PLUGIN = "@facedata/curation"
"""The plugin's name, as its fiftyone.yml says it."""

_LINK = "facedata"
_HOME = Path(__file__).resolve().parent / "plugin"
_NAME = re.compile(r"^name:\s*[\"']?([^\"'\s]+)", re.MULTILINE)


def plugins_folder() -> Path:
    """Return the folder that FiftyOne scans for plugins: FIFTYONE_PLUGINS_DIR, or what its settings say.

    Raises UsageError where the settings have to be asked and FiftyOne is not installed.
    """
    if place := os.environ.get("FIFTYONE_PLUGINS_DIR"):
        return Path(place).expanduser()
    try:
        import fiftyone
    except ImportError as error:
        raise UsageError(f"FiftyOne cannot be imported ({error}); facedata doctor says more") from None
    return Path(fiftyone.config.plugins_dir).expanduser()


def installed(folder: Path) -> bool:
    """Whether FiftyOne finds this facedata's plugin in `folder`."""
    return _leads_home(folder / _LINK)


def install(folder: Path) -> tuple[Path, Literal["linked", "there already"]]:
    """Link the plugin into `folder`; return the link and what was done.

    A link of facedata's own that leads elsewhere, to an environment that is gone say, is replaced. Raises
    TargetError where anything else stands in its place, or nothing can be written.
    """
    link = folder / _LINK
    if installed(folder):
        return link, "there already"
    _refuse_stranger(link)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(_HOME, target_is_directory=True)
    except OSError as error:
        raise TargetError(
            f"{link} cannot be made ({error.strerror}); set FIFTYONE_PLUGINS_DIR to a folder that can"
        ) from None
    return link, "linked"


def uninstall(folder: Path) -> tuple[Path, Literal["removed", "not there"]]:
    """Remove the link from `folder`, and nothing but the link; return it and what was done."""
    link = folder / _LINK
    if not (link.is_symlink() or link.exists()):
        return link, "not there"
    _refuse_stranger(link)
    try:
        link.unlink()
    except OSError as error:
        raise TargetError(f"{link} cannot be removed ({error.strerror}); remove it by hand") from None
    return link, "removed"


def _leads_home(link: Path) -> bool:
    return link.is_symlink() and link.resolve() == _HOME


def _refuse_stranger(link: Path) -> None:
    """Raise TargetError where `link` is there and is no link to a plugin of this name, alive or dead."""
    if not (link.is_symlink() or link.exists()) or _leads_home(link):
        return
    if link.is_symlink():
        target = link.readlink()
        if not link.exists() and target.parts[-2:] == _HOME.parts[-2:]:
            return  # to a facedata that is gone
        if _plugin_name(link) == PLUGIN:
            return  # to another facedata
    raise TargetError(
        f"{link} is not facedata's link; move it away, or set FIFTYONE_PLUGINS_DIR to another folder"
    )


def _plugin_name(folder: Path) -> str | None:
    try:
        found = _NAME.search((folder / "fiftyone.yml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] if found else None
