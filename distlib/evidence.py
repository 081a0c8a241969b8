"""Evidence: holds what was predicted against what was simulated, checked and measured.

Theory of operation
-------------------
A :class:`Claim` says one thing and gathers the values that it was reached by, in up to four ways. :meth:`Claim.hold`
asserts that they agree, by rules that were fixed before any value was seen:

- A simulated :class:`~distlib.estimates.Estimate` lies within three standard errors of the prediction.
- Its interval is narrow enough to tell: one that reaches further than 5 % of the value to either side is *not tested*,
  and fails too. Where another resolution settles the claim, `resolution` says which, with a reason.
- What is exact, a count or a yes, is equal.
- An exploration ended as expected, and no bound stopped it.
- A measurement is within a tolerance that is stated, since no model holds all of a machine.
- There are at least two ways. A value alone agrees with itself.

Of many true claims some miss by chance. So a :class:`Ledger` with m deviations also asserts that the largest is at most
the normal quantile of 1 - 0.01 / (2 m): a true ledger fails once in a hundred, however long it is.

Examples
--------
>>> coin = Claim("coin", "A fair coin shows heads half of the time")
>>> coin = coin.predicted(0.5, "by symmetry").simulated(Estimate.of_proportion(5061, 10_000), "10,000 tosses, seed 1")
>>> ledger = Ledger("Coins")
>>> ledger.hold(coin)
>>> ledger.require_held(minimum=1)
>>> print(ledger)
coin: A fair coin shows heads half of the time
  predicted: 0.5000 (by symmetry)
  simulated: 0.5061 ± 0.0098 (10,000 tosses, seed 1)
  holds, z = +1.22
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.special import ndtri

from distlib.estimates import Estimate, write_number
from distlib.figures.figure import inline, stylesheet

__all__ = ["MIME_TYPE", "Claim", "Estimate", "EvidenceError", "Ledger", "Value"]

MIME_TYPE = "application/vnd.distlib.evidence+json"
WAYS = ("predicted", "simulated", "checked", "measured")
LARGEST_DEVIATION = 3.0
WIDEST_HALF_WIDTH = 0.05
FALSE_ALARM_PROBABILITY = 0.01
ROUNDING = 1e-9

Bound = Literal["exact", "upper", "lower"]
SIGNS = {"exact": "", "upper": "≤ ", "lower": "≥ "}


class EvidenceError(AssertionError):
    """The values of a claim do not agree, or are too few or too coarse to tell."""


@dataclass(frozen=True)
class Value:
    """What one way led to. Made by the methods of :class:`Claim`.

    Parameters
    ----------
    way, source
        How it was reached, and from what, in words.
    content
        An estimate, a number that is exact, or whether the claim was confirmed.
    text
        What to show instead of the content.
    bound
        Of a prediction: whether it is the value, or bounds it.
    resolution
        Of an estimate: the largest half-width that still tells, if it is not 5 % of the value.
    tolerance
        Of a measurement: how far off it may be, as a share.
    """

    way: str
    content: Estimate | bool | float
    source: str
    text: str | None = None
    bound: Bound = "exact"
    resolution: float | None = None
    tolerance: float | None = None

    def __post_init__(self) -> None:
        _require_words("source", self.source)
        if self.text is not None:
            _require_words("text", self.text)

    @property
    def number(self) -> float:
        """The content as one number."""
        return self.content.value if isinstance(self.content, Estimate) else float(self.content)

    def exceeds(self, other: float) -> bool:
        """Return whether a distance of `other` from this prediction is on a side that it excludes."""
        return {"exact": other != 0, "upper": other > 0, "lower": other < 0}[self.bound]


@dataclass(frozen=True)
class Claim:
    """One thing that a chapter says, and how it knows. Each method returns a new claim.

    Parameters
    ----------
    identifier
        Unique within a ledger, such as "commit-latency".
    statement
        A sentence without the values.
    unit
        Of all values; "" if they have none.
    values
        What was gathered so far.

    Examples
    --------
    >>> cost = Claim("cost", "A commit among four takes 16 messages", "messages").predicted(16, "4 n")
    >>> cost.simulated(15, "one run, seed 1").hold()
    Traceback (most recent call last):
        ...
    distlib.evidence.EvidenceError: cost does not hold: A commit among four takes 16 messages
      predicted: 16 messages (4 n)
      simulated: 15 messages (one run, seed 1)
    The simulated 15 differs from the predicted 16.
    """

    identifier: str
    statement: str
    unit: str = ""
    values: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        _require_words("identifier", self.identifier)
        _require_words("statement", self.statement)

    def predicted(self, value: bool | float, source: str, bound: Bound = "exact") -> Claim:
        """Add what a model says.

        Parameters
        ----------
        value
            A number, or True for a claim without one.
        source
            Which model, in words.
        bound
            "upper" or "lower" if the model only bounds the value; the other ways must then keep to it.
        """
        if any(each.way == "predicted" for each in self.values):
            raise ValueError(f"{self.identifier!r} has a prediction; a second one is a second claim")
        if bound not in SIGNS:
            raise ValueError(f"`bound` must be one of {list(SIGNS)}, got {bound!r}")
        return self._with(Value("predicted", _plain(value), source, bound=bound))

    def simulated(
        self, value: Estimate | bool | float, source: str, *, resolution: float | None = None, reason: str = ""
    ) -> Claim:
        """Add what seeded runs show.

        Parameters
        ----------
        value
            An estimate; or what is exact, and so the same in every run.
        source
            How many runs, with which seeds.
        resolution
            The largest half-width of the interval that still tells, in the claim's unit, instead of 5 % of the value.
        reason
            Why it does; needed with `resolution`.
        """
        if resolution is not None:
            if not resolution > 0:
                raise ValueError(f"`resolution` must be above 0, got {resolution!r}")
            _require_words("reason", reason)
            source = f"{source}; resolved to {write_number(resolution)}: {reason}"
        return self._with(Value("simulated", _plain(value), source, resolution=resolution))

    def checked(
        self, found: Any, source: str, *, expected: Literal["holds", "violated"] = "holds", text: str | None = None
    ) -> Claim:
        """Add what an exploration or a checker of histories found.

        Parameters
        ----------
        found
            An :class:`~distlib.runtimes.exploration.Exploration`; or whether the claim was confirmed; or an exact
            number, held against the prediction.
        source
            What was explored, or which histories were judged.
        expected
            The verdict that confirms the claim: "violated" where it says that something can go wrong.
        text
            What to show instead.
        """
        if expected not in ("holds", "violated"):
            raise ValueError(f'`expected` must be "holds" or "violated", got {expected!r}')
        verdict = getattr(found, "verdict", None)
        if verdict is None:
            return self._with(Value("checked", _plain(found), source, text))
        name = str(getattr(verdict, "name", verdict)).lower().replace("_", " ")
        scope = "in all {:,} states" if name == "holds" else "after {:,} states"
        return self._with(Value("checked", name == expected, source, text or f"{name} {scope.format(found.states)}"))

    def measured(
        self, value: Estimate | bool | float, source: str, *, tolerance: float | None = None, text: str | None = None
    ) -> Claim:
        """Add what real sockets or a real system show.

        Parameters
        ----------
        value
            An estimate, a number, or whether it was so.
        source
            On what it was measured.
        tolerance
            For a number: how far off it may be, as a share of the prediction (of the simulation, if there is none).
        text
            What to show instead, where the value differs from run to run: such as "within 20 %".
        """
        if not isinstance(value, bool | np.bool_) and (tolerance is None or not tolerance > 0):
            raise ValueError(f"`tolerance` must be given for a number, as a share above 0, got {tolerance!r}")
        return self._with(Value("measured", _plain(value), source, text, tolerance=tolerance))

    def hold(self) -> Claim:
        """Return the claim if its values agree.

        Raises
        ------
        EvidenceError
            If they do not, or are too few or too coarse to tell. It shows the claim, its values and what is wrong.
        """
        faults = [] if len({each.way for each in self.values}) > 1 else ["It was reached in fewer than two ways."]
        faults += [fault for each in self.values if (fault := self._fault(each))]
        if faults:
            told = "\n  ".join([f"{self.identifier} does not hold: {self.statement}", *self.lines()])
            raise EvidenceError("\n".join([told, *faults]))
        return self

    @property
    def deviations(self) -> tuple[float, ...]:
        """Standard errors from the reference to each simulated estimate; 0 where a predicted bound is kept."""
        return tuple(z for each in self.values if (z := self._deviation(each)) is not None)

    def lines(self) -> list[str]:
        """Return each value with its way and its source, in words."""
        return [f"{each.way}: {self.text(each, unit=True)} ({each.source})" for each in self.values]

    def text(self, value: Value, *, unit: bool = False) -> str:
        """Return a value in as many digits as its uncertainty leaves, or that of what it is held against."""
        if value.text is not None:
            text = value.text
        elif isinstance(value.content, bool):
            text = "yes" if value.content else "no"
        elif isinstance(value.content, Estimate):
            text = str(value.content)
        else:
            spreads = [each.content.half_width for each in self.values if isinstance(each.content, Estimate)]
            text = SIGNS[value.bound] + write_number(value.content, min(spreads, default=0.0))
        return f"{text} {self.unit}" if unit and self.unit and text[-1].isdigit() else text

    def record(self) -> dict[str, Any]:
        """Return what the book's ledger shows of a claim that holds, as plain data."""
        values = [{"way": each.way, "text": self.text(each), "source": each.source} for each in self.values]
        row = {"claim": self.statement, "identifier": self.identifier, "unit": self.unit, "values": values}
        return row | {"verdict": "holds"}

    def _with(self, value: Value) -> Claim:
        return replace(self, values=(*self.values, value))

    @property
    def _reference(self) -> Value | None:
        """What the others are held against: the first that has a number, predictions before simulations, and so on."""
        numbers = [each for each in self.values if not isinstance(each.content, bool)]
        return min(numbers, key=lambda each: WAYS.index(each.way), default=None)

    def _deviation(self, each: Value) -> float | None:
        reference = self._reference
        if each.way != "simulated" or not isinstance(each.content, Estimate) or reference in (None, each):
            return None
        assert reference is not None
        known = reference.content
        z = (each.content - known).z(0.0) if isinstance(known, Estimate) else each.content.z(known)
        return z if reference.exceeds(z) else 0.0

    def _fault(self, each: Value) -> str | None:
        """Return what is wrong with a value, if anything is."""
        what = f"The {each.way} {self.text(each)}"
        if isinstance(each.content, bool):
            return None if each.content else f"{what} does not confirm it."
        if isinstance(each.content, Estimate) and (fault := self._coarseness(each, each.content)):
            return fault
        if (z := self._deviation(each)) is not None:
            off = f"{what} is {z:+.2f} standard errors off; at most {LARGEST_DEVIATION:.0f} are allowed."
            return off if abs(z) > LARGEST_DEVIATION else None
        reference = self._reference
        assert reference is not None
        distance, room = each.number - reference.number, (each.tolerance or ROUNDING) * abs(reference.number)
        if abs(distance) <= room or not reference.exceeds(distance):
            return None
        allowed = f" by more than {each.tolerance:.0%}" if each.tolerance else ""
        return f"{what} differs from the {reference.way} {self.text(reference)}{allowed}."

    def _coarseness(self, each: Value, estimate: Estimate) -> str | None:
        """Return that an interval is too wide to tell, if it is."""
        reference = self._reference or each
        share = each.tolerance or WIDEST_HALF_WIDTH
        widest = share * abs(reference.number) if each.resolution is None else each.resolution
        if estimate.half_width <= widest:
            return None
        more = estimate.count * (estimate.half_width / widest) ** 2 if widest > 0 else math.inf
        hint = f"Take about {float(f'{more:.1e}'):,.0f} samples, or give" if more < math.inf else "Give"
        return (
            f"Not tested: the interval of the {each.way} {self.text(each)} reaches {write_number(estimate.half_width)} "
            f"to either side, and may reach {write_number(widest)}. {hint} `resolution` with a reason."
        )


class Ledger:
    """The claims of a chapter that hold, as a table for the reader and as data for the book.

    Parameters
    ----------
    chapter
        Its title.
    """

    def __init__(self, chapter: str) -> None:
        _require_words("chapter", chapter)
        self.chapter = chapter
        self._claims: dict[str, Claim] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def hold(self, claim: Claim) -> None:
        """Assert a claim and record it.

        Raises
        ------
        EvidenceError
            If it does not hold.
        ValueError
            If a claim of that identifier was recorded before.
        """
        if claim.identifier in self._claims:
            raise ValueError(f"`claim` must have an identifier of its own, got {claim.identifier!r} twice")
        self._claims[claim.identifier] = claim.hold()

    def require_held(self, minimum: int = 1) -> None:
        """Assert that enough claims were recorded, and that no deviation is too large for so many.

        Parameters
        ----------
        minimum
            How many claims there must be, at least 1.

        Raises
        ------
        EvidenceError
            If there are fewer, or the largest of m deviations is above the normal quantile of 1 - 0.01 / (2 m).
        """
        if minimum < 1:
            raise ValueError(f"`minimum` must be at least 1, got {minimum}")
        if len(self) < minimum:
            raise EvidenceError(
                f"the ledger must hold at least {minimum} claims, got {len(self)}: {list(self._claims)}"
            )
        deviations = [(abs(z), name) for name, claim in self._claims.items() for z in claim.deviations]
        largest, name = max(deviations, default=(0.0, ""))
        bound = float(ndtri(1 - FALSE_ALARM_PROBABILITY / (2 * max(1, len(deviations)))))
        if largest > bound:
            raise EvidenceError(
                f"of {len(deviations)} deviations none may be above {bound:.2f} standard errors, "
                f"got {largest:.2f} in {name!r}"
            )

    def record(self) -> dict[str, Any]:
        """Return what the book's ledger reads: the chapter, and a row for each claim."""
        return {"chapter": self.chapter, "rows": [claim.record() for claim in self._claims.values()]}

    @property
    def html(self) -> str:
        """The table, in the look of the figures: it scrolls within its box where the page is narrow."""
        head = "".join(f'<th scope="col">{word}</th>' for word in ("claim", *WAYS, "verdict"))
        body = "".join(_row(claim) for claim in self._claims.values())
        caption = f"What this chapter claims, and how it knows: {len(self)} claims."
        return (
            f'<figure class="ds-figure ds-evidence"><style>{stylesheet()}</style>'
            '<div class="ds-scroll" role="group" tabindex="0" '
            'aria-label="Table of evidence, scrolls sideways where it is wider than the page">'
            f'<table style="min-width:46rem"><caption class="ds-hidden">{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def __str__(self) -> str:
        told = [[f"{name}: {claim.statement}", *claim.lines(), _verdict(claim)] for name, claim in self._claims.items()]
        return "\n".join("\n  ".join(lines) for lines in told) or "no claims yet"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {"text/html": self.html, "text/plain": str(self), MIME_TYPE: self.record()}


def _verdict(claim: Claim) -> str:
    return ", ".join(["holds", *(f"z = {z:+.2f}" for z in claim.deviations)])


def _row(claim: Claim) -> str:
    """Return a row of the table: for each way its values and, smaller, their sources."""
    cells = []
    for way in WAYS:
        shown = [(claim.text(each, unit=True), each.source) for each in claim.values if each.way == way]
        cells.append(f"<td>{'<br>'.join(_two_lines(*each) for each in shown)}</td>")
    deviations = ", ".join(f"z = {z:+.2f}" for z in claim.deviations)
    verdict = f'<td class="ds-good">{_two_lines("holds", deviations)}</td>'
    return f'<tr><th scope="row">{inline(claim.statement)}</th>{"".join(cells)}{verdict}</tr>'


def _two_lines(words: str, smaller: str) -> str:
    """Return words and, below them and smaller, what they rest on; a value and its interval stay on one line."""
    words, smaller = (re.sub(r" ([±×=]) ", "\u00a0\\1\u00a0", inline(each)) for each in (words, smaller))
    return f'{words}<br><small class="ds-soft">{smaller}</small>' if smaller else words


def _plain(value: Any) -> Estimate | bool | float:
    """Return a value as Python's own number, so that a record reads the same under every version of NumPy."""
    if isinstance(value, Estimate):
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return float(value)
    raise TypeError(f"the value must be an Estimate, a finite number, True or False, got {value!r}")


def _require_words(name: str, words: str) -> None:
    if not isinstance(words, str) or not words.strip():
        raise ValueError(f"`{name}` must be words, got {words!r}")
