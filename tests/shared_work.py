"""Work for worker processes, in a module of its own so that they can import it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from facedata.datasets.errors import FacedataError
from facedata.datasets.shared_out import Sharing

Numbers = tuple[int, ...]


def double(numbers: Numbers) -> list[int]:
    """Die on 13, fail on 99, and take longer over the first piece than over others."""
    if 13 in numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    if 99 in numbers:
        raise FacedataError("99 is too much")
    if 0 in numbers:
        time.sleep(0.3)
    return [2 * number for number in numbers]


def apart(numbers: Numbers) -> Sequence[Numbers]:
    return [(number,) for number in numbers]


def died(numbers: Numbers) -> list[int]:
    return [-number for number in numbers]


DOUBLING = Sharing(double, apart, died, (__name__,))
