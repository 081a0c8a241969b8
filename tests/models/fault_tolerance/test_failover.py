"""The models of failover: published values, limits and identities, and the errors for what is out of range."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import exp1

from distlib.models.fault_tolerance.failover import (
    lost_writes_mean,
    no_loss_probability,
    oldest_age_cdf,
    oldest_age_mean,
    oldest_age_quantile,
    outage_mean,
    split_brain_share,
)
from distlib.models.latency import Constant, Exponential, LogNormal, Pareto, Uniform

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
LAWS = [Constant(0.05), Uniform(0.0, 0.1), Exponential(0.05), LogNormal(0.03, 1.0)]


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values_of_what_asynchronous_replication_loses() -> None:
    assert matches(no_loss_probability(200, Exponential(0.008)), "2b.1")
    assert matches(1000 * oldest_age_quantile(1000, Exponential(0.05), 0.5), "2b.2")
    assert matches(1000 * oldest_age_quantile(1000, Exponential(0.05), 0.99), "2b.3")
    assert matches(1000 * oldest_age_mean(1000, Exponential(0.05)), "2b.4")


def test_reference_value_of_split_brain() -> None:
    assert matches(split_brain_share(1 / 1000, 0.1, 0.05), "2c.12")


@pytest.mark.parametrize("load", [0.1, 1.0, 10.0, 1000.0])
def test_the_age_for_exponential_lags_is_the_closed_form(load: float) -> None:
    closed = 0.05 * (np.euler_gamma + math.log(load) + exp1(load))
    assert oldest_age_mean(load / 0.05, Exponential(0.05)) == pytest.approx(closed, rel=1e-7)


@pytest.mark.parametrize("law", LAWS)
def test_whether_anything_is_lost_does_not_depend_on_the_law_nor_on_the_shipping(law: Any) -> None:
    assert no_loss_probability(20, law) == pytest.approx(math.exp(-20 * law.mean()))
    assert oldest_age_cdf(20, law, 0.0) == pytest.approx(no_loss_probability(20, law), rel=1e-6)


@pytest.mark.parametrize("law", LAWS[:3])
def test_in_order_loses_most_and_whole_least(law: Any) -> None:
    whole, alone, stream = (lost_writes_mean(100, law, way) for way in ("whole", "one by one", "in order"))
    assert alone == pytest.approx(100 * law.mean())
    assert whole <= alone * (1 + 1e-6)
    assert alone <= stream * (1 + 1e-6)
    assert (stream > 1.05 * alone > 1.1 * whole) is not isinstance(law, Constant)


@pytest.mark.parametrize("way", ["whole", "one by one", "in order"])
def test_few_writes_do_not_meet_so_that_shipping_does_not_matter(way: Any) -> None:
    assert lost_writes_mean(0.01, Exponential(0.05), way) == pytest.approx(0.01 * 0.05, rel=1e-3)


@pytest.mark.parametrize("law", [Uniform(0.0, 0.1), Exponential(0.05)])
def test_lost_writes_agree_with_a_direct_simulation_of_arrivals(law: Any) -> None:
    rate, horizon, runs = 100.0, 1.5, 4000
    random = np.random.default_rng(7)
    counts: dict[str, list[int]] = {"whole": [], "one by one": [], "in order": []}
    for _ in range(runs):
        ages = np.sort(random.uniform(0, horizon, random.poisson(rate * horizon)))
        arrived = law.rvs(size=len(ages), random_state=random) <= ages
        missing = np.flatnonzero(~arrived)
        counts["one by one"].append(len(missing))
        counts["in order"].append(int(missing[-1]) + 1 if len(missing) else 0)
        counts["whole"].append(int(np.argmax(arrived)) if arrived.any() else len(ages))
    for way, found in counts.items():
        error = np.std(found) / math.sqrt(runs)
        assert abs(np.mean(found) - lost_writes_mean(rate, law, way)) < 4 * error, way  # type: ignore[arg-type]


def test_quantiles_invert_the_distribution_and_are_zero_where_most_likely_nothing_is_lost() -> None:
    law = Uniform(0.0, 0.1)
    assert oldest_age_cdf(50, law, oldest_age_quantile(50, law, 0.8)) == pytest.approx(0.8, rel=1e-6)
    assert oldest_age_quantile(1, Exponential(0.05), 0.5) == 0.0


def test_the_outage_is_patience_less_half_a_period_and_two_messages() -> None:
    assert outage_mean(0.1, 0.1, 0.0) == pytest.approx(0.05)
    assert outage_mean(0.1, 0.3, 0.01, 0.002) == pytest.approx(0.3 - 0.05 + 0.02 + 0.002)


def test_split_brain_goes_with_the_share_of_partitions_and_dies_out_with_patience() -> None:
    assert split_brain_share(1.0, 1.0, 0.0) == pytest.approx(0.5)
    assert split_brain_share(1.0, 1.0, 100.0) < 1e-40


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: no_loss_probability(0.0, Exponential(1.0)), "`write_rate`"),
        (lambda: oldest_age_cdf(1.0, Exponential(1.0), -1.0), "`seconds`"),
        (lambda: oldest_age_mean(-1.0, Exponential(1.0)), "`write_rate`"),
        (lambda: oldest_age_quantile(1.0, Exponential(1.0), 1.0), "`probability`"),
        (lambda: lost_writes_mean(1.0, Pareto(0.01, 1.0)), "`lag`"),
        (lambda: oldest_age_mean(1.0, Pareto(0.01, 0.9)), "`lag`"),
        (lambda: lost_writes_mean(1.0, Exponential(1.0), "by mail"), "`shipping`"),  # type: ignore[arg-type]
        (lambda: outage_mean(0.0, 1.0, 0.0), "`heartbeat_seconds`"),
        (lambda: outage_mean(1.0, 0.5, 0.0), "`silence_seconds`"),
        (lambda: outage_mean(1.0, 2.0, -1.0), "`delay_seconds`"),
        (lambda: outage_mean(1.0, 2.0, 0.0, -1.0), "`force_seconds`"),
        (lambda: split_brain_share(0.0, 1.0, 1.0), "`partition_rate`"),
        (lambda: split_brain_share(1.0, 0.0, 1.0), "`partition_mean`"),
        (lambda: split_brain_share(1.0, 1.0, -1.0), "`takeover`"),
    ],
)
def test_errors_name_the_argument(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_a_lag_must_be_a_law() -> None:
    with pytest.raises(TypeError):
        lost_writes_mean(1.0, 0.05)  # type: ignore[arg-type]
