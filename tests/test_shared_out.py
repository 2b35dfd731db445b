"""Work shared out to worker processes: in order, whatever worker is fast, slow or dead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shared_work import DOUBLING, Numbers

from facedata.datasets.errors import FacedataError
from facedata.datasets.shared_out import shared_out


def pieces(count: int, taken: list[int] | None = None) -> Iterator[Numbers]:
    for number in range(0, count, 3):
        if taken is not None:
            taken.append(number)
        yield number, number + 1, number + 2


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_pieces(workers):
    found = [(piece, made) for piece, made in shared_out(DOUBLING, pieces(12), workers)]
    assert found == [(piece, [2 * one for one in piece]) for piece in pieces(12)]


def test_the_one_that_a_worker_dies_on_is_found_and_the_others_go_on():
    found = list(shared_out(DOUBLING, pieces(60), 2))
    assert [number for piece, _ in found for number in piece] == list(range(60))
    assert [one for _, made in found for one in made] == [-13 if n == 13 else 2 * n for n in range(60)]


def test_pieces_are_made_as_they_are_wanted():
    taken: list[int] = []
    results = shared_out(DOUBLING, pieces(9000, taken), 2)
    next(results)
    results.close()
    assert len(taken) <= 6, "three in hand for each worker"


def test_an_error_of_a_worker_is_the_callers():
    with pytest.raises(FacedataError, match="99 is too much"):
        list(shared_out(DOUBLING, iter([(1,), (99,)]), 2))
