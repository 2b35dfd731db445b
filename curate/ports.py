"""Whether the App can listen at an address."""

from __future__ import annotations

import socket

__all__ = ["why_taken"]


def why_taken(address: str, port: int) -> str | None:
    """Return why nothing can listen at a port of an address, None where it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not held up by connections of the past
        try:
            probe.bind((address, port))
        except OSError as error:
            return str(error.strerror)
    return None
