"""A duel on the bench agrees with the model, and is counted as the model counts."""

from __future__ import annotations

import pytest

from distlib.estimates import Estimate
from distlib.experiments.consistency.paxos import ballots_until_chosen, duel
from distlib.models.consistency.paxos import Duel, outbid_ballots_mean
from distlib.runtimes.replication import replicate


@pytest.mark.parametrize(("back_off", "seeds"), [(0.010, 150), (0.015, 200), (0.040, 200)])
def test_ballots_are_outbid_as_often_as_the_model_says(back_off: float, seeds: int) -> None:
    timing = Duel(0.010, 0.030, back_off, 0.015)
    outbid = replicate(lambda seed: ballots_until_chosen(duel(timing, seed=seed, until_seconds=30.0)) - 1, seeds)
    assert abs(Estimate.of_mean(outbid).z(outbid_ballots_mean(timing))) < 3


def test_a_ballot_that_nobody_disturbs_is_the_only_one() -> None:
    assert ballots_until_chosen(duel(Duel(0.010, 0.030, 0.020, 10.0), seed=1, until_seconds=5.0)) == 1


def test_a_run_that_chose_nothing_has_no_ballot_to_count_to() -> None:
    run = duel(Duel(0.010, 0.030, 0.0, 0.015), seed=1, until_seconds=1.0)
    with pytest.raises(ValueError, match="`run` must have chosen a value"):
        ballots_until_chosen(run)
