r"""Where a system comes back, and when: the domino effect, induced checkpoints, output commit, backup and replay.

Theory of operation
-------------------
*Domino.* Two processes take checkpoints as Poisson processes of rate c each; messages take no time; one process fails,
the other one's present state is as good as a checkpoint. Scan backwards from the failure.

- *no orphans* (messages in transit can be had again), rate m in each direction. Either one process has to go back
  further, or both. One: its checkpoint ends the scan (rate c), and a message that it sent makes it both (rate m). Both:
  a checkpoint of either makes it one (rate 2c). So :math:`E_1 = 1/(c+m) + m E_2/(c+m)`, :math:`E_2 = 1/(2c) + E_1`, and

  .. math:: E_1 = \frac1c \Bigl(1 + \frac{m}{2c}\Bigr)

- *no messages*: no message at all may cross the line, in total at the rate m. The same scan, but each message, of
  either direction, throws away what was found since the one before. The result is the same, with the total rate.

*Induced checkpoints.* Two processes; each raises its index by one at the rate c; a message (rate m each way) from the
one with the higher index lifts the other to it, by a checkpoint. The difference of the indices is a Markov chain on the
integers with geometric stationary law: ratio r, the smaller root of :math:`c r^2 - (2c+m) r + c = 0`.

*Output commit.* Pessimistic logging is a queue M/D/1 whose service is the forced write. With flushes a cycle is the
period and the forced write, and an output waits for the next flush that begins after its input.

*Backup and replay.* A copy every :math:`\tau` seconds, a shipment of the log every :math:`a` seconds, each under way
for its own constant time.

Sources: derived in the chapter; for the effect Elnozahy, Alvisi, Wang and Johnson (ACM Computing Surveys 34(3), 2002),
section 4; for M/D/1 Kleinrock, *Queueing Systems*, volume 1, 1975.

Examples
--------
A checkpoint every ten minutes, a message every two minutes: one does not lose ten minutes.

>>> domino_depth_mean(0.1, 0.5, "no messages"), domino_depth_mean(0.1, 0.25, "no orphans")
(35.0, 22.5)
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

__all__ = [
    "Rule",
    "catch_up_seconds",
    "causal_commit_mean",
    "domino_depth_mean",
    "gap_covers_all_probability",
    "induced_share",
    "optimistic_commit_mean",
    "pessimistic_commit_mean",
    "recovery_point_bound",
    "recovery_point_mean",
    "recovery_time_mean",
]

Rule: TypeAlias = Literal["no messages", "no orphans"]


def _require_above(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")


def _require_at_least_0(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")


# ------------------------------------------------------------------------------------------------------------- domino


def domino_depth_mean(checkpoint_rate: float, message_rate: float, rule: Rule = "no orphans") -> float:
    r"""Return how far back in the mean the older of two processes goes when one fails: (1 + m/(2c)) / c.

    Parameters
    ----------
    checkpoint_rate
        c, of each process, per unit of time, above 0.
    message_rate
        m, at least 0. Under "no orphans" in each direction, under "no messages" in total.
    rule
        What may not cross the recovery line.

    Returns
    -------
    float
        In the unit of time of the rates.

    Examples
    --------
    Without messages it is the age of the last checkpoint:

    >>> domino_depth_mean(0.1, 0.0)
    10.0
    """
    _require_above("checkpoint_rate", checkpoint_rate)
    _require_at_least_0("message_rate", message_rate)
    if rule not in ("no messages", "no orphans"):
        raise ValueError(f"`rule` must be 'no messages' or 'no orphans', got {rule!r}")
    return (1 + message_rate / (2 * checkpoint_rate)) / checkpoint_rate


def gap_covers_all_probability(process_count: int, rate_ratio: float) -> float:
    r"""Return the probability that between two messages all of n processes take a checkpoint: n! Γ(θ+1) / Γ(n+θ+1).

    Parameters
    ----------
    process_count
        n, at least 1.
    rate_ratio
        θ, messages of all processes over checkpoints of one, at least 0.

    Examples
    --------
    >>> f"{gap_covers_all_probability(4, 5):.9f}"
    '0.007936508'
    """
    if isinstance(process_count, bool) or not isinstance(process_count, int) or process_count < 1:
        raise ValueError(f"`process_count` must be a whole number of at least 1, got {process_count!r}")
    _require_at_least_0("rate_ratio", rate_ratio)
    return math.prod(k / (k + rate_ratio) for k in range(1, process_count + 1))


def induced_share(checkpoint_rate: float, message_rate: float) -> float:
    r"""Return induced checkpoints per checkpoint of a process's own, for two processes: (1 - r)^2 / (1 + r).

    Here r is the smaller root of :math:`c r^2 - (2c + m) r + c = 0`.

    Parameters
    ----------
    checkpoint_rate
        c, at which each process raises its index, above 0.
    message_rate
        m in each direction, at least 0.

    Examples
    --------
    >>> round(induced_share(0.1, 0.25), 4), round(induced_share(0.1, 1e6), 4), induced_share(0.1, 0.0)
    (0.4907, 1.0, 0.0)
    """
    _require_above("checkpoint_rate", checkpoint_rate)
    _require_at_least_0("message_rate", message_rate)
    half = 1 + message_rate / (2 * checkpoint_rate)
    ratio = 1 / (half + math.sqrt(half * half - 1))
    return (1 - ratio) ** 2 / (1 + ratio)


# ------------------------------------------------------------------------------------------------------- output commit


def pessimistic_commit_mean(input_rate: float, force_seconds: float) -> float:
    r"""Return the mean time from an input to its output if each input is forced by itself: f + λf² / (2(1 - λf)).

    Parameters
    ----------
    input_rate
        λ, Poisson inputs per second, at least 0.
    force_seconds
        f, at least 0, with λf < 1: or the queue grows for ever.

    Examples
    --------
    >>> round(pessimistic_commit_mean(100, 0.005), 6)
    0.0075
    """
    _require_at_least_0("input_rate", input_rate)
    _require_at_least_0("force_seconds", force_seconds)
    load = input_rate * force_seconds
    if load >= 1:
        raise ValueError(f"`input_rate` times `force_seconds` must be below 1, got {load!r}: the disk cannot keep up")
    return force_seconds + load * force_seconds / (2 * (1 - load))


def optimistic_commit_mean(flush_seconds: float, force_seconds: float) -> float:
    r"""Return the mean time from an input to its output if a flush begins `flush_seconds` after the last one ended.

    A cycle is F + f, an input falls anywhere in it, and waits for the flush that begins next and for its end:
    (F + f)/2 + f.

    Parameters
    ----------
    flush_seconds
        F, above 0.
    force_seconds
        f, at least 0.

    Examples
    --------
    >>> optimistic_commit_mean(0.045, 0.005)
    0.03
    """
    _require_above("flush_seconds", flush_seconds)
    _require_at_least_0("force_seconds", force_seconds)
    return (flush_seconds + force_seconds) / 2 + force_seconds


def causal_commit_mean(delay_mean: float) -> float:
    """Return the mean time from an input to its output if the peer has to confirm: a round trip, 2d.

    Parameters
    ----------
    delay_mean
        d, of a message in one direction, at least 0 s. Messages must keep their order, or be constant in time.
    """
    _require_at_least_0("delay_mean", delay_mean)
    return 2 * delay_mean


# --------------------------------------------------------------------------------------------------- backup and replay


def recovery_point_mean(period_seconds: float, transfer_seconds: float) -> float:
    """Return how old the data is in the mean that survive a crash, if they are shipped every period: δ + τ/2.

    Parameters
    ----------
    period_seconds
        τ, from one shipment to the next, above 0.
    transfer_seconds
        δ, from its sending until the archive has it, at least 0.
    """
    _require_above("period_seconds", period_seconds)
    _require_at_least_0("transfer_seconds", transfer_seconds)
    return transfer_seconds + period_seconds / 2


def recovery_point_bound(period_seconds: float, transfer_seconds: float) -> float:
    """Return how old the data is at most that survive a crash: δ + τ. This is what one can promise.

    Examples
    --------
    >>> recovery_point_mean(60, 5), recovery_point_bound(60, 5)
    (35.0, 65)
    """
    _require_above("period_seconds", period_seconds)
    _require_at_least_0("transfer_seconds", transfer_seconds)
    return transfer_seconds + period_seconds


def recovery_time_mean(
    backup_seconds: float,
    ship_seconds: float,
    write_rate: float,
    replay_seconds: float,
    fixed_seconds: float = 0.0,
    backup_transfer_seconds: float = 0.0,
    ship_transfer_seconds: float = 0.0,
) -> float:
    r"""Return the mean time from a crash until a backup is loaded and the log replayed.

    :math:`t_0 + \kappa w\,[(\delta_b + \tau/2) - (\delta_s + a/2)]`: replayed is the log between the age of the last
    backup and that of the last shipment.

    Parameters
    ----------
    backup_seconds, ship_seconds
        τ and a, the periods of backups and of shipments, above 0. τ has to be the larger by so much that no backup is
        newer than the shipped log.
    write_rate
        w, records of the log per second, at least 0.
    replay_seconds
        κ, to replay one record, at least 0.
    fixed_seconds
        t₀: to notice, to order the restore, to load the backup.
    backup_transfer_seconds, ship_transfer_seconds
        How long each is under way.

    Raises
    ------
    ValueError
        If an argument is out of its domain, or the log is shipped less often than backups are taken.

    Examples
    --------
    >>> recovery_time_mean(100, 10, write_rate=20, replay_seconds=0.01, fixed_seconds=3)
    12.0
    """
    _require_at_least_0("write_rate", write_rate)
    _require_at_least_0("replay_seconds", replay_seconds)
    _require_at_least_0("fixed_seconds", fixed_seconds)
    replayed = recovery_point_mean(backup_seconds, backup_transfer_seconds)
    replayed -= recovery_point_mean(ship_seconds, ship_transfer_seconds)
    if replayed < 0:
        raise ValueError(
            f"`backup_seconds` must be at least `ship_seconds`, with their transfers, got {backup_seconds!r} "
            f"and {ship_seconds!r}"
        )
    return fixed_seconds + replay_seconds * write_rate * replayed


def catch_up_seconds(backlog: float, replay_rate: float, arrival_rate: float) -> float:
    """Return how long a backlog takes to vanish while records keep arriving: B / (ν - λ).

    Parameters
    ----------
    backlog
        B, records at the start, at least 0.
    replay_rate, arrival_rate
        ν and λ, records per second, λ at least 0 and below ν.

    Examples
    --------
    >>> catch_up_seconds(1.2e6, 50e3, 20e3)
    40.0
    """
    _require_at_least_0("backlog", backlog)
    _require_at_least_0("arrival_rate", arrival_rate)
    if not arrival_rate < replay_rate < math.inf:
        raise ValueError(f"`replay_rate` must be above `arrival_rate` = {arrival_rate!r}, got {replay_rate!r}")
    return backlog / (replay_rate - arrival_rate)
