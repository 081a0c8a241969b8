"""Independent replications of a run: one seed each, in order, on as many processors as there are.

A run is a pure function of its seed, so replications need no coordination, and their results are the same whichever
executor carries them out, and in whatever order they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from numbers import Integral
from typing import TypeVar

from tqdm import tqdm

__all__ = ["ReplicationFailed", "replicate"]

T = TypeVar("T")


class ReplicationFailed(RuntimeError):
    """A replication raised. Its own error is the `__cause__` of this one.

    Parameters
    ----------
    seed
        The seed to run again to see it.
    reason
        What was raised.
    """

    def __init__(self, seed: int, reason: str) -> None:
        super().__init__(seed, reason)
        self.seed = seed
        self.reason = reason

    def __str__(self) -> str:
        return f"the run with seed {self.seed} failed: {self.reason}"


def replicate(
    run: Callable[[int], T],
    seeds: Iterable[int] | int,
    *,
    executor: Executor | None = None,
    progress: bool | str = False,
) -> list[T]:
    """Return ``[run(seed) for seed in seeds]``.

    Parameters
    ----------
    run
        What to do with a seed. For an executor of processes it must be picklable, that is a function of a module (or a
        :func:`functools.partial` of one), and so must its result: return the numbers wanted, not a whole run.
    seeds
        Different whole numbers, none negative; or how many: n stands for 0, 1, …, n - 1.
    executor
        Carries the runs out, such as a :class:`~concurrent.futures.ProcessPoolExecutor`; None: one after another, here.
        It is not shut down.
    progress
        Whether to draw a progress bar on standard error, and what to call it. None is drawn where that is not a
        terminal, as in a notebook.

    Returns
    -------
    list
        The results in the order of the seeds.

    Raises
    ------
    ReplicationFailed
        From the error of the first seed, in the order given, whose run raised. What has not begun is cancelled.
    ValueError
        If there is no seed, or one is negative or occurs twice.

    Examples
    --------
    >>> replicate(lambda seed: seed**2, 4)
    [0, 1, 4, 9]
    >>> replicate(lambda seed: 1 / (seed - 3), [1, 2, 3])
    Traceback (most recent call last):
    ...
    distlib.runtimes.replication.ReplicationFailed: the run with seed 3 failed: ZeroDivisionError: division by zero
    """
    chosen = _require_seeds(seeds)
    results = _serially(run, chosen) if executor is None else _concurrently(run, chosen, executor)
    description = progress if isinstance(progress, str) else None
    # tqdm takes None to mean: disabled unless standard error is a terminal.
    disable = None if progress else True
    return list(tqdm(results, desc=description, total=len(chosen), disable=disable, unit="run"))


def _require_seeds(seeds: Iterable[int] | int) -> list[int]:
    given = list(seeds) if isinstance(seeds, Iterable) else [seeds]
    for value in given:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(f"`seeds` must be whole numbers or their count, got {value!r}")
    chosen = [int(seed) for seed in (given if isinstance(seeds, Iterable) else range(seeds))]
    if not chosen:
        raise ValueError(f"`seeds` must hold at least one seed, got {seeds!r}")
    if min(chosen) < 0:
        raise ValueError(f"`seeds` must be at least 0, got {min(chosen)}")
    if len(set(chosen)) < len(chosen):
        twice = next(seed for place, seed in enumerate(chosen) if seed in chosen[:place])
        raise ValueError(f"`seeds` must differ, or replications would not be independent, got {twice} twice")
    return chosen


def _failure(seed: int, error: Exception) -> ReplicationFailed:
    return ReplicationFailed(seed, f"{type(error).__name__}: {error}")


def _serially(run: Callable[[int], T], seeds: list[int]) -> Iterator[T]:
    for seed in seeds:
        try:
            result = run(seed)
        except Exception as error:
            raise _failure(seed, error) from error
        yield result


def _concurrently(run: Callable[[int], T], seeds: list[int], executor: Executor) -> Iterator[T]:
    futures = [executor.submit(run, seed) for seed in seeds]
    try:
        for seed, future in zip(seeds, futures, strict=True):
            try:
                result = future.result()
            except Exception as error:
                raise _failure(seed, error) from error
            yield result
    finally:
        # After a failure, or when the caller was interrupted, nobody waits for the others any more.
        for future in futures:
            future.cancel()
