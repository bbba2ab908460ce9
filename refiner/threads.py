"""How many threads work: fixed, as sums in another order differ in their last bits."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

THREADS = 2  # of the processor: what a laptop has to spare; more give other bits, and little speed at this size
Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def fixed_threads(number: int) -> Iterator[None]:
    """The same number of threads of torch whoever works, and whenever."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `work` on each item, in order, on several threads with a processor each."""
    with fixed_threads(1), ThreadPoolExecutor(THREADS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(work, items)
