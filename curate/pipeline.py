"""`facedata init`: a DVC pipeline from faces to an exported dataset, laid out in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jinja2

from facedata.datasets.errors import TargetError, UsageError
from facedata.datasets.record import write_text

__all__ = ["DEMO", "LaidOut", "lay_out", "pipeline_files"]

DEMO = "demo"
"""The kind of source that needs no path: the rendered faces."""

_TEMPLATES = ("dvc.yaml", "params.yaml", "README.md")
_EDITS = "sid,field,old,new,author,time,message\n"
_IGNORED = (".facedata/", ".*.partial/", ".*.lock", ".venv/", "dvc_plots/")
"""The cache, what a verb leaves beside its output while it runs, and folders that no stage makes."""
_DVC_IGNORED = ("config.local", "tmp", "cache")  # as `dvc init` has it

# Hard links would share one file between DVC's cache and the workspace: whoever writes to one writes to both.
# A list of parameters becomes an option that is repeated, as the verbs take it.
_CONFIG = """[core]
    analytics = false
[cache]
    type = "reflink,copy"
[parsing]
    list = append
"""
_NO_SCM = "[core]\n    analytics = false\n    no_scm = true\n"


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What was written: new files, and files that lines were added to; `scm` says whether git is there."""

    written: tuple[str, ...]
    added_to: tuple[str, ...]
    scm: bool


def pipeline_files(kind: str, path: str | None = None) -> dict[str, str]:
    """Return the text of each file of the pipeline, by its name, but for those that ignore other files.

    `kind` is what `facedata ingest` takes, and `path` the folder or list that it reads, as the pipeline's own
    folder sees it.
    """
    if (path is None) != (kind == DEMO):
        need = "takes no path: it is rendered" if kind == DEMO else "needs the path of what it reads"
        raise UsageError(f"a pipeline from {kind} {need}")
    if path is not None and set(path) & set("'\n${}"):
        raise UsageError(f"the path {path!r} holds a character that DVC or the shell would read; rename it")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("facedata.curate", "templates/pipeline"),
        autoescape=False,  # noqa: S701 - YAML and Markdown, of names that the user gave
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    texts = {
        name: environment.get_template(f"{name}.jinja").render(kind=kind, path=_scalar(path))
        for name in _TEMPLATES
    }
    return {**texts, "edits.csv": _EDITS}


def lay_out(folder: Path, kind: str, path: str | None = None) -> LaidOut:
    """Write the pipeline into `folder`; raise TargetError, with nothing written, where a file is in the way.

    A README.md and a DVC repository that are there stay as they are; ignore files get the lines they lack.
    """
    files = pipeline_files(kind, path)
    scm = any((parent / ".git").exists() for parent in (folder.resolve(), *folder.resolve().parents))
    if not (folder / ".dvc" / "config").exists():
        files[".dvc/.gitignore"] = "".join(f"/{name}\n" for name in _DVC_IGNORED)
        files[".dvc/config"] = _CONFIG if scm else _CONFIG.replace("[core]\n    analytics = false\n", _NO_SCM)
    if (folder / "README.md").exists():
        del files["README.md"]
    if folder.exists() and not folder.is_dir():
        raise TargetError(f"{folder} is a file; give a folder")
    mine = {name for name, text in files.items() if _holds(folder / name, text)}  # of a run that was stopped
    there = sorted(name for name in files if (folder / name).exists())
    if set(there) - mine or len(mine) == len(files):
        raise TargetError(
            f"{folder} has {', '.join(there)} already, which init does not overwrite; move "
            f"{'them' if there[1:] else 'it'} away, or give another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        added = tuple(name for name in (".gitignore", ".dvcignore") if _add_lines(folder / name, _IGNORED))
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_text(folder / name, text)
    except OSError as error:
        raise TargetError(f"cannot write to {folder}: {error.strerror}; check its rights") from None
    return LaidOut(tuple(sorted(files)), added, scm)


def _scalar(path: str | None) -> str | None:
    """Return a path as YAML writes it, in quotes where it needs them."""
    import yaml

    return None if path is None else yaml.safe_dump(path, width=2**16, allow_unicode=True).split("\n")[0]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _add_lines(path: Path, lines: tuple[str, ...]) -> bool:
    """Add the lines that the file lacks; return whether there were any."""
    text = path.read_text("utf-8") if path.exists() else ""
    missing = [line for line in lines if line not in text.splitlines()]
    if missing:
        end = "" if not text or text.endswith("\n") else "\n"
        write_text(path, text + end + "".join(f"{line}\n" for line in missing))
    return bool(missing)
