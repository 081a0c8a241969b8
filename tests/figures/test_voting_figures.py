"""The figures of the chapter on voting: they say what the models say, and their default frames tell the story."""

from __future__ import annotations

import pytest

from distlib.figures.consistency.voting import (
    Panel,
    choice_dials,
    nines_dials,
    quorum_pictures,
    share_words,
    time_words,
)
from distlib.models.availability import correlated, downtime_minutes_per_year, unavailability_of

DIALS = nines_dials(identifier="nines")
CHOICES = choice_dials(identifier="choices")


def test_default_of_the_nines_says_what_correlation_costs() -> None:
    minutes = downtime_minutes_per_year(unavailability_of(correlated(5, 0.99, 0.01), 3))
    assert f"{minutes:.2g} minutes a year" in DIALS.summary()
    assert "if they failed independently, 5.0 nines" in DIALS.summary()
    assert "independently" not in DIALS.summary(correlation=0.0)


def test_a_fourth_replica_has_fewer_nines_than_three() -> None:
    three, four = (DIALS.summary(replicas=n, correlation=0.0).split(": ")[1].split(" ")[0] for n in (3, 4))
    assert float(four) < float(three)


def test_default_of_the_choices_names_the_quickest_and_the_quickest_that_is_never_stale() -> None:
    assert CHOICES.summary().startswith("Quickest: R1 W1")
    assert "never stale: R2 W4" in CHOICES.summary()
    later = CHOICES.summary(after_ms=50).split("stale ")[1].split(" ")[0]
    assert float(later) < float(CHOICES.summary().split("stale ")[1].split(" ")[0])


def test_each_choice_of_three_replicas_has_its_cell() -> None:
    drawn = "".join(CHOICES.frame(replicas=3).drawing.elements)
    assert drawn.count("ds-strong ds-m") == 3  # the headings of the columns
    assert drawn.count("never stale") == 6


def test_quorums_that_do_not_meet_are_not_drawn() -> None:
    places = {name: (place, 0) for place, name in enumerate("abcd")}
    words = {"alt": "Four nodes.", "caption": "Four.", "identifier": "four"}
    with pytest.raises(ValueError, match="the quorums of 'split' must meet"):
        quorum_pictures([Panel("split", places, frozenset("ab"), frozenset("cd"))], **words)
    figure = quorum_pictures([Panel("whole", places, frozenset("ab"), frozenset("bcd"))], **words)
    assert figure.html.count("ds-short") >= 3


def test_words_for_shares_and_times_keep_two_digits() -> None:
    assert [share_words(share) for share in (0.5, 2e-5, 5e-8, 1e-12)] == [
        "50 %", "20 in a million", "50 in 10⁹", "less than one in 10⁹",
    ]  # fmt: skip
    assert time_words(1e-12) == "less than 0.1 seconds a year"
    assert time_words(1e-12, short=True) == "< 0.1 s/year"
    assert time_words(0.001) == "8.8 hours a year"
