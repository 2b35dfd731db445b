"""Uploading a finished export to the Hugging Face hub: the files on disk, byte for byte."""

from __future__ import annotations

import os
import re
from pathlib import Path

from facedata.datasets.errors import TargetError, UsageError

__all__ = ["check_push", "push"]

_TOKEN = "HF_TOKEN"  # noqa: S105 - the variable's name
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def check_push(repository: str) -> None:
    """Raise UsageError where a push to `repository` cannot work: its name, or no token."""
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"--push {repository!r} is not of the form OWNER/NAME")
    if not os.environ.get(_TOKEN):
        raise UsageError(f"--push needs a token that may write to {repository}: set {_TOKEN}")


def push(root: Path, repository: str, *, version: str, private: bool = True) -> str:
    """Upload the export at `root` as one commit to a dataset repository and return its address.

    A repository that is not there is made, private unless told otherwise; one that is open to all is written
    to only where `private` is false, because faces are personal data. Data files of an earlier export are
    removed in the same commit. The token is read from HF_TOKEN and from nowhere else. Raises TargetError,
    in one line, for whatever the hub or the network answers.
    """
    from huggingface_hub import HfApi

    check_push(repository)
    api = HfApi(token=os.environ[_TOKEN])
    try:
        address = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        if private and not api.repo_info(repository, repo_type="dataset").private:
            raise TargetError(
                f"{address} is open to all; make it private, choose another, or pass --public where everyone "
                "may have these faces"
            )
        api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=root,
            commit_message=f"Dataset version {version}",
            delete_patterns="data/*",
        )
    except TargetError:
        raise
    except Exception as error:  # noqa: BLE001 - the client raises its network library's errors, which change
        reason = " ".join(str(error).split()) or repr(error)
        raise TargetError(
            f"{repository} on {api.endpoint} could not be written: {reason}; {root} is whole; push it "
            "again with --overwrite once that is mended"
        ) from None
    return str(address)
