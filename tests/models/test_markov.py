"""Markov chains: closed forms, exact fractions, limits and identities, and the errors for what is out of range."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import simpson
from scipy.linalg import expm

from distlib.models.markov import (
    Chain,
    birth_death_mean_time,
    mean_time_to_absorption,
    mean_time_to_absorption_by_solving,
    steady_state,
    survival,
    transient,
)

ROWS = json.loads((Path(__file__).parents[1] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def repairable(n: int, k: int, failure: float, repair: float) -> Chain:
    """Return the chain of n parts of which k are needed; state i: i are down; repaired side by side."""
    last = n - k + 1
    fail = {(i, i + 1): (n - i) * failure for i in range(last)}
    mend = {(i, i - 1): i * repair for i in range(1, last)}
    return Chain(tuple(range(last + 1)), fail | mend)


def exact_mean_time(n: int, k: int, failure: float, repair: float) -> Fraction:
    """Return the time to absorption in exact fractions of the floating-point rates."""
    total = step = 1 / (n * Fraction(failure))
    for i in range(1, n - k + 1):
        step = (1 + step * i * Fraction(repair)) / ((n - i) * Fraction(failure))
        total += step
    return total


def random_chain(seed: int, count: int = 6) -> Chain:
    rates = np.random.default_rng(seed).exponential(size=(count, count))
    return Chain(tuple(range(count)), {(i, j): float(rates[i, j]) for i, j in itertools.permutations(range(count), 2)})


def generator(chain: Chain) -> np.ndarray:
    table = chain.matrix()
    return table - np.diag(table.sum(axis=1))


@pytest.mark.parametrize("seed", range(4))
def test_the_long_run_is_balanced(seed: int) -> None:
    chain = random_chain(seed)
    shares = np.asarray(list(steady_state(chain).values()))
    assert shares.sum() == pytest.approx(1, abs=1e-14)
    assert np.max(np.abs(shares @ generator(chain))) < 1e-13


def test_the_smallest_share_has_all_its_digits() -> None:
    chain = Chain(tuple(range(5)), {(i, i + 1): 1e-6 for i in range(4)} | {(i + 1, i): 1.0 for i in range(4)})
    total = sum(Fraction(1e-6) ** i for i in range(5))
    assert steady_state(chain)[4] == pytest.approx(float(Fraction(1e-6) ** 4 / total), rel=1e-14)


def test_reference_value_of_two_of_three() -> None:
    value, relative = REFERENCE["2c.8"]
    assert mean_time_to_absorption(repairable(3, 2, 1e-3, 0.1), 0, [2]) == pytest.approx(value, rel=relative)


@pytest.mark.parametrize(("n", "k", "ratio"), [(3, 2, 1e2), (14, 10, 1.7e4), (9, 3, 1e6), (5, 1, 1e7)])
def test_elimination_agrees_with_exact_fractions_and_with_the_double_sum(n: int, k: int, ratio: float) -> None:
    chain, last = repairable(n, k, 1e-4, 1e-4 * ratio), n - k + 1
    exact = float(exact_mean_time(n, k, 1e-4, 1e-4 * ratio))
    double_sum = birth_death_mean_time(
        [chain.rates[i, i + 1] for i in range(last)], [chain.rates[i, i - 1] for i in range(1, last)]
    )
    assert mean_time_to_absorption(chain, 0, [last]) == pytest.approx(exact, rel=1e-13)
    assert double_sum == pytest.approx(exact, rel=1e-13)


def test_solving_the_equations_loses_the_digits_that_elimination_keeps() -> None:
    worst = 0.0
    for ratio in np.geomspace(1.5e4, 2e4, 12):
        chain = repairable(14, 10, 1 / 1.7e4, float(ratio) / 1.7e4)
        exact = float(exact_mean_time(14, 10, 1 / 1.7e4, float(ratio) / 1.7e4))
        worst = max(worst, abs(mean_time_to_absorption_by_solving(chain, 0, [5]) / exact - 1))
    assert worst > 0.005


@pytest.mark.parametrize("seed", range(4))
def test_elimination_and_solving_agree_where_nothing_is_stiff(seed: int) -> None:
    chain = random_chain(seed)
    for start in range(4):
        expected = mean_time_to_absorption_by_solving(chain, start, [4, 5])
        assert mean_time_to_absorption(chain, start, [4, 5]) == pytest.approx(expected, rel=1e-12)


def test_the_mean_time_is_the_area_under_the_survival_function() -> None:
    chain = repairable(3, 2, 0.5, 2.0)
    times = np.linspace(0, 60, 601)
    area = simpson([survival(chain, 0, [2], float(time)) for time in times], x=times)
    assert area == pytest.approx(mean_time_to_absorption(chain, 0, [2]), rel=1e-5)


def test_what_cannot_be_reached_is_never_reached_and_where_one_is_takes_no_time() -> None:
    chain = Chain(("a", "b", "c"), {("a", "b"): 1.0, ("b", "a"): 1.0})
    assert mean_time_to_absorption(chain, "a", ["c"]) == math.inf
    assert mean_time_to_absorption(chain, "a", ["a"]) == 0
    trap = Chain(("a", "b", "c"), {("a", "b"): 1.0, ("a", "c"): 1.0})
    assert mean_time_to_absorption(trap, "a", ["c"]) == math.inf


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("time", [0.0, 0.3, 2.0, 150.0])
def test_uniformisation_agrees_with_the_exponential_of_the_matrix(seed: int, time: float) -> None:
    chain = random_chain(seed)
    expected = expm(generator(chain) * time)[1]
    assert list(transient(chain, 1, time).values()) == pytest.approx(expected.tolist(), abs=1e-12)


def test_after_a_long_time_it_is_in_the_steady_state_whatever_the_stiffness() -> None:
    chain = repairable(3, 1, 1e-3, 100.0)
    chain = Chain(chain.states, chain.rates | {(3, 2): 300.0})
    late, shares = transient(chain, 0, 1e4), steady_state(chain)
    assert all(late[state] == pytest.approx(share, rel=1e-6) for state, share in shares.items())


def test_a_mixture_of_starts_gives_the_mixture_of_ends() -> None:
    chain = random_chain(7)
    mixed = transient(chain, {0: 0.25, 3: 0.75}, 0.4)
    first, second = transient(chain, 0, 0.4), transient(chain, 3, 0.4)
    assert all(share == pytest.approx(0.25 * first[s] + 0.75 * second[s]) for s, share in mixed.items())


def test_without_repair_the_time_is_a_sum_of_waits() -> None:
    assert birth_death_mean_time([3.0, 2.0, 1.0], [0.0, 0.0]) == pytest.approx(1 / 3 + 1 / 2 + 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Chain((), {}), "`states`"),
        (lambda: Chain(("a", "a"), {}), "`states`"),
        (lambda: Chain(("a", "b"), {("a", "a"): 1.0}), "`rates`"),
        (lambda: Chain(("a", "b"), {("a", "b"): -1.0}), "`rates`"),
        (lambda: Chain(("a", "b"), {("a", "b"): math.inf}), "`rates`"),
        (lambda: steady_state(Chain(("a", "b"), {("a", "b"): 1.0})), "`chain`"),
        (lambda: mean_time_to_absorption(random_chain(1), 9, [1]), "`start`"),
        (lambda: mean_time_to_absorption(random_chain(1), 0, [9]), "`absorbing`"),
        (lambda: mean_time_to_absorption(random_chain(1), 0, []), "`absorbing`"),
        (lambda: transient(random_chain(1), 0, -1.0), "`time`"),
        (lambda: transient(random_chain(1), {0: 0.5}, 1.0), "`start`"),
        (lambda: survival(random_chain(1), 0, [9], 1.0), "`absorbing`"),
        (lambda: birth_death_mean_time([], []), "`repair_rates`"),
        (lambda: birth_death_mean_time([1.0, 0.0], [1.0]), "`failure_rates`"),
        (lambda: birth_death_mean_time([1.0, 1.0], [-1.0]), "`repair_rates`"),
    ],
)
def test_errors_name_the_argument(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]
