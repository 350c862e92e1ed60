"""Work in threads: in order, with few items drawn ahead, and an end that leaves nothing running."""

import threading

import pytest

from crossgap.apply.overlap import in_order, worker_count


def test_results_come_in_order():
    first = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            first.wait(5)  # the second is done before the first
        else:
            first.set()
        return item * item

    assert list(in_order(work, range(20), workers=2)) == [i * i for i in range(20)]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_few_items_are_drawn_ahead(workers):
    drawn = []

    def items():
        for item in range(50):
            drawn.append(item)
            yield item

    for done, _ in enumerate(in_order(lambda item: item, items(), workers=workers)):
        assert len(drawn) <= done + workers + 1


def test_an_error_ends_it():
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    results = in_order(work, range(1000), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("crossgap-apply")]


def test_there_is_a_worker():
    assert 1 <= worker_count() <= 4
    assert list(in_order(str, [])) == []
