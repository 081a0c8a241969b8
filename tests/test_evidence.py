"""Evidence: a claim holds only where its values agree, and a ledger shows what was held and nothing else."""

import json
import math
from dataclasses import dataclass
from enum import Enum
from html.parser import HTMLParser

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

from distlib.evidence import MIME_TYPE, Claim, Estimate, EvidenceError, Ledger


class Verdict(Enum):
    HOLDS = "holds"
    VIOLATED = "violated"
    BOUNDS_REACHED = "bounds reached"


@dataclass
class Exploration:
    """What `Claim.checked` reads of an exploration."""

    verdict: Verdict
    states: int


def estimate(value: float, half_width: float = 0.01) -> Estimate:
    return Estimate(value, value - half_width, value + half_width, 1000)


def latency(simulated: Estimate, predicted: float = 1.0, **keywords) -> Claim:
    claim = Claim("latency", "A commit takes as long as its slowest participant", "ms")
    return claim.predicted(predicted, "maximum of eight").simulated(simulated, "1,000 runs, seed 1", **keywords)


def test_an_estimate_within_three_standard_errors_holds_and_one_beyond_does_not():
    error = 0.01 / 1.959963984540054
    assert latency(estimate(1 + 2.99 * error)).hold().deviations == (pytest.approx(2.99),)
    with pytest.raises(EvidenceError) as caught:
        latency(estimate(1 + 3.01 * error)).hold()
    told = str(caught.value)
    assert "latency does not hold: A commit takes as long as its slowest participant" in told
    assert "predicted: 1.000 ms (maximum of eight)" in told
    assert "simulated: 1.015 ± 0.010 ms (1,000 runs, seed 1)" in told
    assert "is +3.01 standard errors off; at most 3 are allowed" in told
    with pytest.raises(EvidenceError, match=r"is -3.01 standard errors off"):
        latency(estimate(1 - 3.01 * error)).hold()


def test_an_interval_too_wide_to_tell_is_not_tested_and_says_how_many_samples_would_do():
    latency(estimate(1.0, 0.0499)).hold()
    with pytest.raises(
        EvidenceError, match=r"Not tested: .* reaches 0.1000 to either side, and may reach 0.05000"
    ) as caught:
        latency(estimate(1.0, 0.1)).hold()
    assert "Take about 4,000 samples, or give `resolution` with a reason." in str(caught.value)


def test_another_resolution_needs_a_reason_and_shows_it():
    claim = latency(estimate(1.0, 0.1), resolution=0.2, reason="the wrong formula gives 2 ms")
    assert "resolved to 0.2000: the wrong formula gives 2 ms" in claim.hold().lines()[1]
    with pytest.raises(EvidenceError, match=r"may reach 0\.001000"):
        latency(estimate(1.0, 0.01), resolution=0.001, reason="formulas differ by 0.003 ms").hold()
    with pytest.raises(ValueError, match="`reason` must be words"):
        latency(estimate(1.0, 0.1), resolution=0.2)


def test_nothing_can_be_resolved_to_a_share_of_zero():
    with pytest.raises(EvidenceError, match="Give `resolution` with a reason"):
        latency(Estimate.of_proportion(0, 1000), predicted=0.0).hold()
    latency(Estimate.of_proportion(0, 1000), predicted=0.0, resolution=0.01, reason="one in 100 would show").hold()


@pytest.mark.parametrize("count", [15, 17, 16.0001])
def test_exact_counts_must_be_equal(count):
    claim = Claim("cost", "A commit takes 4 messages a participant", "messages").predicted(16, "4 n")
    claim.simulated(16, "one run").checked(np.int64(16), "all runs").simulated(16 * (1 + 1e-12), "rounding").hold()
    with pytest.raises(EvidenceError, match="differs from the predicted 16"):
        claim.simulated(count, "one run").hold()


def test_one_way_is_not_enough_however_often():
    claim = Claim("cost", "A commit takes 16 messages").simulated(16, "seed 1").simulated(16, "seed 2")
    with pytest.raises(EvidenceError, match="fewer than two ways"):
        claim.hold()
    with pytest.raises(EvidenceError, match="fewer than two ways"):
        Claim("nothing", "No value at all").hold()


@pytest.mark.parametrize(
    ("verdict", "expected", "text"),
    [
        (Verdict.HOLDS, "holds", "holds in all 1,580 states"),
        (Verdict.VIOLATED, "violated", "violated after 1,580 states"),
    ],
)
def test_an_exploration_confirms_by_its_expected_verdict(verdict, expected, text):
    claim = Claim("agreement", "Participants decide alike").predicted(True, "by the paper's proof")
    claim = claim.checked(Exploration(verdict, 1580), "three nodes, every crash", expected=expected)
    assert claim.hold().lines() == [
        "predicted: yes (by the paper's proof)",
        f"checked: {text} (three nodes, every crash)",
    ]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.VIOLATED, "holds"),
        (Verdict.HOLDS, "violated"),
        (Verdict.BOUNDS_REACHED, "holds"),
        (Verdict.BOUNDS_REACHED, "violated"),
    ],
)
def test_any_other_verdict_does_not_confirm(verdict, expected):
    claim = Claim("agreement", "Participants decide alike").predicted(True, "by the paper's proof")
    with pytest.raises(EvidenceError, match="does not confirm it"):
        claim.checked(Exploration(verdict, 1580), "three nodes", expected=expected).hold()


@pytest.mark.parametrize("way", ["predicted", "simulated", "checked", "measured"])
def test_a_no_in_any_way_does_not_confirm(way):
    claim = Claim("blocks", "A participant in doubt waits")
    for each in ("predicted", "simulated", "checked", "measured"):
        claim = getattr(claim, each)(each != way, f"{each} so")
    with pytest.raises(EvidenceError, match=f"The {way} no does not confirm it"):
        claim.hold()


def test_a_measurement_is_held_to_its_tolerance_of_the_prediction_or_else_of_the_simulation():
    predicted, simulated = (
        latency(estimate(1.0)),
        Claim("latency", "It takes so long", "ms").simulated(estimate(1.0), "runs"),
    )
    for claim in (predicted, simulated):
        claim.measured(1.19, "asyncio over loopback", tolerance=0.2).hold()
        with pytest.raises(EvidenceError, match=r"The measured 1.210 differs from the .* by more than 20%"):
            claim.measured(1.21, "asyncio over loopback", tolerance=0.2).hold()
    with pytest.raises(EvidenceError, match="Not tested"):
        predicted.measured(estimate(1.0, 0.3), "asyncio over loopback", tolerance=0.2).hold()


def test_a_measurement_that_differs_from_run_to_run_can_be_told_in_words():
    claim = latency(estimate(1.0)).measured(1.137, "loopback", tolerance=0.2, text="within 20 % of the prediction")
    assert claim.hold().lines()[-1] == "measured: within 20 % of the prediction (loopback)"


def test_a_bound_excludes_one_side_only():
    claim = Claim("makespan", "A greedy schedule is never worse than twice the best").predicted(
        2.0, "Graham", bound="upper"
    )
    assert claim.simulated(estimate(1.5), "1,000 loads").hold().deviations == (0.0,)
    assert claim.simulated(estimate(1.5), "1,000 loads").lines()[0] == "predicted: ≤ 2.000 (Graham)"
    with pytest.raises(EvidenceError, match="standard errors off"):
        claim.simulated(estimate(2.5), "1,000 loads").hold()
    lower = Claim("rounds", "No protocol takes fewer").predicted(2, "by the paper's proof", bound="lower")
    lower.checked(3, "every run").hold()
    with pytest.raises(EvidenceError, match="The checked 1 differs from the predicted ≥ 2"):
        lower.checked(1, "every run").hold()


def test_two_simulations_without_a_prediction_are_held_against_each_other():
    claim = Claim("latency", "Both networks are alike").simulated(estimate(1.0), "first").measured(True, "on a switch")
    assert claim.simulated(estimate(1.01), "second").hold().deviations == (
        pytest.approx(1.96 / math.sqrt(2), rel=1e-3),
    )
    with pytest.raises(EvidenceError, match="standard errors off"):
        claim.simulated(estimate(1.05), "second").hold()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda claim: claim.predicted(1.0, ""), ValueError, "`source` must be words"),
        (
            lambda claim: claim.predicted(math.nan, "x"),
            TypeError,
            "must be an Estimate, a finite number, True or False",
        ),
        (lambda claim: claim.predicted("16", "x"), TypeError, "got '16'"),
        (lambda claim: claim.predicted(1, "x").predicted(2, "y"), ValueError, "a second one is a second claim"),
        (lambda claim: claim.predicted(1, "x", bound="about"), ValueError, r"`bound` must be one of .*, got 'about'"),
        (
            lambda claim: claim.simulated(1.0, "x", resolution=0.0, reason="y"),
            ValueError,
            "`resolution` must be above 0",
        ),
        (
            lambda claim: claim.checked(True, "x", expected="fails"),
            ValueError,
            '`expected` must be "holds" or "violated"',
        ),
        (lambda claim: claim.checked(True, "x", text=" "), ValueError, "`text` must be words"),
        (lambda claim: claim.measured(1.0, "x"), ValueError, "`tolerance` must be given for a number"),
        (lambda claim: Claim("", "x"), ValueError, "`identifier` must be words"),
        (lambda claim: Claim("x", ""), ValueError, "`statement` must be words"),
        (lambda claim: Ledger(""), ValueError, "`chapter` must be words"),
        (lambda claim: Ledger("x").require_held(0), ValueError, "`minimum` must be at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named_with_their_bound(call, error, message):
    with pytest.raises(error, match=message):
        call(Claim("claim", "Something is so"))


def test_claims_are_values():
    claim = Claim("cost", "A commit takes 16 messages")
    claim.predicted(16, "4 n")
    assert claim.values == ()


def ledger_of(*claims: Claim) -> Ledger:
    ledger = Ledger("Two-phase commit")
    for claim in claims:
        ledger.hold(claim)
    return ledger


def test_a_ledger_records_what_holds_and_nothing_else():
    ledger = ledger_of(latency(estimate(1.0)))
    with pytest.raises(EvidenceError):
        ledger.hold(Claim("alone", "It was reached in one way").predicted(1, "x"))
    assert len(ledger) == 1
    with pytest.raises(ValueError, match="'latency' twice"):
        ledger.hold(latency(estimate(1.0)))


def test_a_ledger_requires_a_number_of_claims():
    ledger = ledger_of(latency(estimate(1.0)))
    ledger.require_held(1)
    with pytest.raises(EvidenceError, match=r"at least 2 claims, got 1: \['latency'\]"):
        ledger.require_held(2)


def test_a_ledger_bounds_its_largest_deviation_by_the_number_of_them():
    def with_deviations(*distances: float) -> Ledger:
        error = 0.01 / 1.959963984540054
        names = [
            Claim(f"claim {i}", "So").predicted(1.0, "x").simulated(estimate(1 + z * error), "y")
            for i, z in enumerate(distances)
        ]
        return ledger_of(*names)

    # The normal quantiles of 1 - 0.01/2 and of 1 - 0.01/4 are 2.576 and 2.807.
    with_deviations(2.57).require_held()
    with_deviations(2.8, 0.0).require_held(2)
    with pytest.raises(
        EvidenceError, match=r"of 1 deviations none may be above 2.58 standard errors, got 2.58 in 'claim 0'"
    ):
        with_deviations(2.58).require_held()
    with pytest.raises(EvidenceError, match=r"above 2.81 standard errors, got 2.82 in 'claim 1'"):
        with_deviations(0.0, -2.82).require_held()


def full_ledger() -> Ledger:
    blocks = (
        Claim("blocks", "A participant in doubt waits <for ever>")
        .predicted(True, "by `proof`")
        .measured(True, "PostgreSQL 16")
    )
    explored = (
        Claim("agreement", "Participants decide alike")
        .predicted(True, "proof")
        .checked(Exploration(Verdict.HOLDS, 546), "n = 3")
    )
    return ledger_of(latency(estimate(1.0)), blocks, explored)


def test_the_record_is_what_the_books_ledger_reads():
    record = full_ledger()._repr_mimebundle_()[MIME_TYPE]
    assert record["chapter"] == "Two-phase commit"
    assert record["rows"][0] == {
        "claim": "A commit takes as long as its slowest participant",
        "identifier": "latency",
        "unit": "ms",
        "values": [
            {"way": "predicted", "text": "1.000", "source": "maximum of eight"},
            {"way": "simulated", "text": "1.000 ± 0.010", "source": "1,000 runs, seed 1"},
        ],
        "verdict": "holds",
    }
    assert json.loads(json.dumps(record)) == record


def test_digits_below_the_uncertainty_do_not_reach_the_record():
    def record(jitter: float) -> str:
        return json.dumps(ledger_of(latency(estimate(1.0 + jitter), predicted=1.0 - jitter)).record())

    assert record(1e-9) == record(-1e-9)


class Table(HTMLParser):
    """The words of a table's cells, and the tags that were left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.headers: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "br":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")
        if tag == "th":
            self.headers.append(dict(attrs)["scope"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data


def test_the_table_says_each_value_in_its_column_with_headers_and_escapes_words():
    table = Table(full_ledger().html)
    assert table.open == []
    assert table.headers == ["col"] * 6 + ["row"] * 3
    assert table.rows[0] == ["claim", "predicted", "simulated", "checked", "measured", "verdict"]
    assert table.rows[1][1:3] == ["1.000 msmaximum of eight", "1.000\u00a0±\u00a00.010 ms1,000 runs, seed 1"]
    assert table.rows[1][3:] == ["", "", "holdsz\u00a0=\u00a0+0.00"]
    assert table.rows[2][0] == "A participant in doubt waits <for ever>"
    assert table.rows[2][4:] == ["yesPostgreSQL 16", "holds"]
    assert table.rows[3][3] == "holds in all 546 statesn\u00a0=\u00a03"
    assert 'class="ds-scroll" role="group" tabindex="0"' in full_ledger().html


def test_jupyter_gets_the_table_the_words_and_the_record():
    data, _ = DisplayFormatter().format(full_ledger())
    assert set(data) == {"text/html", "text/plain", MIME_TYPE}
    assert data["text/plain"].splitlines()[:4] == [
        "latency: A commit takes as long as its slowest participant",
        "  predicted: 1.000 ms (maximum of eight)",
        "  simulated: 1.000 ± 0.010 ms (1,000 runs, seed 1)",
        "  holds, z = +0.00",
    ]
