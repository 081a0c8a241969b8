"""How Raft's election splits and how long it takes: reference values, limits, identities, and bad input."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distlib.models.consistency.leader_election import (
    ElectionLaw,
    ElectionTiming,
    OutageLaw,
    contention_probability,
    election_seconds_mean,
    naive_split_vote_probability,
    optimal_spread_seconds,
    outage_seconds_mean,
    quorum_size,
    split_vote_probability,
    split_vote_probability_binomial,
    split_vote_probability_exponential,
    terms_mean,
    walk_election_seconds_mean,
    walk_terms_mean,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
FIVE = ElectionTiming(5, 0.150, 0.150, 0.005)
SLOW = ElectionTiming(5, 0.150, 0.150, 0.015)
THREE = ElectionTiming(3, 0.150, 0.030, 0.015)


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values_of_split_votes_and_contention() -> None:
    assert matches(split_vote_probability(FIVE), "1a.4")
    assert matches(split_vote_probability(replace(FIVE, elector_count=5)), "1a.5")
    assert matches(contention_probability(FIVE), "1a.6")
    assert matches(split_vote_probability_exponential(3, spread_seconds=0.150, delay_mean_seconds=0.010), "1a.7")


def test_reference_values_of_times() -> None:
    assert matches(1000 * election_seconds_mean(SLOW), "1a.8")
    best = optimal_spread_seconds(SLOW)
    assert matches(1000 * best, "1a.9")
    assert matches(1000 * election_seconds_mean(replace(SLOW, spread_seconds=best)), "1a.10")


# ------------------------------------------------------------------------------------------------------- probabilities


@pytest.mark.parametrize("members", [2, 3, 4, 5, 7, 9])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9])
def test_the_beta_form_is_the_binomial_form(members: int, share: float) -> None:
    for electors in range(quorum_size(members), members + 1):
        timing = ElectionTiming(members, 0.1, 1.0, share, electors)
        assert split_vote_probability(timing) == pytest.approx(split_vote_probability_binomial(timing), rel=1e-10)


@pytest.mark.parametrize("members", [3, 5, 7, 9])
def test_an_odd_cluster_that_is_whole_splits_half_of_the_time_at_half_a_spread(members: int) -> None:
    assert split_vote_probability(ElectionTiming(members, 0.1, 0.2, 0.1, members)) == pytest.approx(0.5, abs=1e-12)


def test_a_long_spread_splits_by_a_power_law_and_a_leg_as_long_as_the_spread_always_splits() -> None:
    wide = replace(FIVE, spread_seconds=1e5 * FIVE.delay_seconds)
    late = wide.electors + 1 - wide.quorum
    limit = math.comb(wide.electors, late) * wide.window_share**late
    assert split_vote_probability(wide) == pytest.approx(limit, rel=1e-4)
    assert split_vote_probability(replace(FIVE, spread_seconds=FIVE.delay_seconds)) == 1.0
    assert contention_probability(replace(FIVE, spread_seconds=FIVE.delay_seconds)) == 1.0
    assert split_vote_probability(replace(FIVE, delay_seconds=0.0)) == 0.0


def test_the_naive_formula_is_a_contention_and_twenty_times_too_large() -> None:
    assert naive_split_vote_probability(FIVE) == pytest.approx(contention_probability(FIVE), rel=1e-12)
    assert 19 < naive_split_vote_probability(FIVE) / split_vote_probability(FIVE) < 21


def test_two_electors_split_whenever_they_contend() -> None:
    assert split_vote_probability(THREE) == pytest.approx(contention_probability(THREE), rel=1e-12)


def test_a_dead_leader_makes_splits_many_times_as_likely() -> None:
    ratio = split_vote_probability(FIVE) / split_vote_probability(replace(FIVE, elector_count=5))
    assert 18 < ratio < 18.2


@pytest.mark.parametrize("count", [2, 3])
def test_exponential_legs_split_always_if_slow_and_never_if_quick(count: int) -> None:
    def split(mean: float) -> float:
        return split_vote_probability_exponential(count, spread_seconds=1.0, delay_mean_seconds=mean)

    assert split(1e6) == pytest.approx(1.0, abs=1e-5)
    assert split(1e-4) < 3e-4


def test_exponential_legs_agree_with_trials_of_the_race_itself() -> None:
    random = np.random.default_rng(7)
    first, second = np.sort(random.random((2, 200_000)), axis=0)
    share = float(np.mean(second < first + random.exponential(0.2, 200_000)))
    expected = split_vote_probability_exponential(2, spread_seconds=1.0, delay_mean_seconds=0.2)
    assert abs(share - expected) < 3 * math.sqrt(expected * (1 - expected) / 200_000)


# --------------------------------------------------------------------------------------------------------------- times


def test_a_cluster_of_quick_legs_takes_the_first_timeout() -> None:
    quick = replace(FIVE, delay_seconds=0.0)
    assert election_seconds_mean(quick) == pytest.approx(0.150 + 0.150 / 5)
    assert terms_mean(quick) == 1.0
    assert election_seconds_mean(replace(FIVE, spread_seconds=0.005)) == math.inf


def test_a_write_counts_as_a_leg_in_the_window_and_twice_on_the_path() -> None:
    written = replace(FIVE, delay_seconds=0.004, save_seconds=0.001)
    assert split_vote_probability(written) == split_vote_probability(FIVE)
    assert written.votes_seconds == pytest.approx(0.010)
    assert replace(written, pre_vote=True).votes_seconds == pytest.approx(0.018)


def test_an_outage_is_an_election_less_half_a_heartbeat_and_a_leg() -> None:
    timing = replace(FIVE, heartbeat_seconds=0.075)
    assert outage_seconds_mean(timing) == pytest.approx(election_seconds_mean(timing) + 0.005 - 0.0375)


def test_no_spread_near_the_best_one_is_better() -> None:
    best = optimal_spread_seconds(SLOW)
    least = election_seconds_mean(replace(SLOW, spread_seconds=best))
    assert all(election_seconds_mean(replace(SLOW, spread_seconds=best * factor)) > least for factor in (0.9, 1.1))
    with pytest.raises(ValueError, match="no spread is too small"):
        optimal_spread_seconds(replace(SLOW, delay_seconds=0.0))


# ---------------------------------------------------------------------------------------------------------------- walk


def walked(timing: ElectionTiming, trials: int = 40_000) -> tuple[float, float, float]:
    """Return the mean steps of the gap until it leaves the window, by trials; its error; and the mean gap then."""
    random = np.random.default_rng(3)
    gap, steps, window = np.zeros(trials), np.zeros(trials), timing.window_seconds
    inside = np.ones(trials, dtype=bool)
    while inside.any():
        drawn = random.random((2, trials)) * timing.spread_seconds
        gap = np.where(inside, gap + drawn[0] - drawn[1], gap)
        steps += inside
        inside &= np.abs(gap) < window
    return float(steps.mean()), float(steps.std() / math.sqrt(trials)), float(np.abs(gap).mean())


@pytest.mark.parametrize("spread", [0.150, 0.030, 0.015, 0.008])
def test_the_walk_takes_as_many_steps_as_trials_of_it(spread: float) -> None:
    timing = replace(THREE, spread_seconds=spread)
    steps, error, gap = walked(timing)
    assert abs(walk_terms_mean(timing) - steps) < 4 * error
    mean = walk_terms_mean(timing) * (0.150 + spread / 2) - gap / 2 + 0.030
    assert walk_election_seconds_mean(timing) == pytest.approx(mean, rel=5e-3)


def test_a_walk_out_of_a_narrow_window_is_one_round_after_another() -> None:
    timing = replace(THREE, delay_seconds=0.0003)
    assert walk_terms_mean(timing) == pytest.approx(terms_mean(timing), rel=2e-4)
    assert walk_election_seconds_mean(timing) == pytest.approx(election_seconds_mean(timing), rel=2e-4)
    still = replace(THREE, delay_seconds=0.0)
    assert walk_terms_mean(still) == 1.0
    assert walk_election_seconds_mean(still) == pytest.approx(election_seconds_mean(still))


def test_a_wide_window_takes_steps_as_diffusion_does() -> None:
    timing = ElectionTiming(3, 0.1, 0.010, 0.040)
    diffusion = (timing.window_seconds / timing.spread_seconds) ** 2 * 6
    assert diffusion < walk_terms_mean(timing) < 1.35 * diffusion


def test_the_walk_is_faster_than_rounds_that_begin_anew_and_knows_no_never() -> None:
    assert walk_election_seconds_mean(THREE) < election_seconds_mean(THREE)
    assert math.isfinite(walk_terms_mean(replace(THREE, spread_seconds=0.010)))


def test_the_walk_is_for_two_electors_and_windows_that_are_not_too_wide() -> None:
    with pytest.raises(ValueError, match="`timing` must have two electors that are both needed, got 4 electors"):
        walk_terms_mean(FIVE)
    with pytest.raises(ValueError, match="must be at most 4 spreads, got 5"):
        walk_terms_mean(replace(THREE, spread_seconds=0.003))


# ---------------------------------------------------------------------------------------------------------------- laws


def test_the_law_of_the_election_is_that_of_trials() -> None:
    random = np.random.default_rng(11)
    trials = 60_000
    total, open_ = np.full(trials, SLOW.votes_seconds), np.ones(trials, dtype=bool)
    while open_.any():
        drawn = np.sort(random.random((int(open_.sum()), 4)), axis=1) * SLOW.spread_seconds
        total[open_] += SLOW.shortest_seconds + drawn[:, 0]
        open_[open_] = drawn[:, 4 + 1 - SLOW.quorum] - drawn[:, 0] < SLOW.window_seconds
    law = ElectionLaw(SLOW)
    for chance in (0.1, 0.5, 0.9, 0.99):
        below = float(np.mean(total <= float(law.ppf(chance))))
        assert abs(below - chance) < 4 * math.sqrt(chance * (1 - chance) / trials) + 1e-3
    assert law.std() == pytest.approx(float(total.std()), rel=0.02)


@pytest.mark.parametrize("law", [ElectionLaw(SLOW), OutageLaw(replace(SLOW, heartbeat_seconds=0.075))])
def test_a_law_has_its_mean_under_its_tail_and_its_quantiles(law: ElectionLaw) -> None:
    times = np.linspace(0, 3, 30_001)
    assert np.trapezoid(law.sf(times), times) == pytest.approx(law.mean(), rel=1e-3)
    assert np.all(np.diff(law.cdf(times)) >= -1e-12)
    chances = np.array([0.1, 0.5, 0.9])
    assert law.cdf(law.ppf(chances)) == pytest.approx(chances, abs=2e-3)
    assert np.all(np.isfinite(law.rvs(size=100, random_state=np.random.default_rng(1))))


def test_without_heartbeats_an_outage_is_an_election_and_a_leg() -> None:
    times = np.linspace(0, 1, 11)
    assert OutageLaw(SLOW).cdf(times + 0.015) == pytest.approx(ElectionLaw(SLOW).cdf(times))


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"member_count": 1}, "`member_count` must be at least 2, got 1"),
        ({"shortest_seconds": 0.0}, "`shortest_seconds` must be finite and above 0, got 0.0"),
        ({"spread_seconds": math.inf}, "`spread_seconds` must be finite and above 0, got inf"),
        ({"delay_seconds": -1.0}, "`delay_seconds` must be finite and at least 0, got -1.0"),
        ({"save_seconds": math.nan}, "`save_seconds` must be finite and at least 0, got nan"),
        ({"elector_count": 2}, r"`elector_count` must be in \[3, 5\], or nobody can be elected, got 2"),
    ],
)
def test_a_timing_out_of_range_is_refused(changes: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(FIVE, **changes)


def test_functions_refuse_what_is_out_of_range() -> None:
    with pytest.raises(ValueError, match="`member_count` must be at least 1, got 0"):
        quorum_size(0)
    with pytest.raises(ValueError, match=r"`elector_count` must be in \[2, 3\], got 4"):
        split_vote_probability_exponential(4, spread_seconds=1.0, delay_mean_seconds=1.0)
    with pytest.raises(ValueError, match="`delay_mean_seconds` must be finite and above 0, got 0"):
        split_vote_probability_exponential(2, spread_seconds=1.0, delay_mean_seconds=0)
