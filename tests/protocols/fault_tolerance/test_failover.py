"""Primary and backup: handlers, seeded runs with faults, every order of events of small instances, broken variants."""

from dataclasses import replace
from typing import Any

import pytest

from distlib.broken.fault_tolerance.failover import (
    ForgetsWhoAsked,
    HastyMonitor,
    HastyServer,
    ImpatientPrimary,
    LocalReader,
    UnfencedServer,
)
from distlib.checkers.history import History
from distlib.checkers.linearizability import linearizable
from distlib.checkers.sequential_models import counter
from distlib.experiments.fault_tolerance.failover import chaos, is_linearizable, pair, run_with, small
from distlib.node import CancelTimer, Complete, Invoke, Outcome, Save, Send, SetTimer, World
from distlib.protocols.fault_tolerance.failover import (
    Client,
    Entry,
    Heartbeat,
    Monitor,
    Next,
    Redirect,
    Replicate,
    Replicated,
    Reply,
    Request,
    Server,
    ServerState,
    View,
    Writer,
    acknowledged_entries,
    acknowledged_writes_survive,
    all_answered,
    applied_once,
    servers_that_lead,
    total_of,
)
from distlib.runtimes.exploration import Exploration, Verdict, explore
from distlib.runtimes.faults import Crash, Restart

TOGETHER = View(1, "a", "b")
ALONE = View(1, "a", None)
ADD = ("add", 5)
ASKED = Request(1, ADD)
ENTRY = Entry("client", 1, ADD)
ONE_ADD = [("add", 1)]
ADD_AND_READ = [("add", 1), ("read",)]
SAFE = {
    "acknowledged writes survive": acknowledged_writes_survive,
    "applied once": applied_once,
    "linearizable": linearizable(counter()),
}


def server(name: str = "a", view: View = TOGETHER, **changes: Any) -> Server:
    return Server(name, ServerState(view), heartbeat_seconds=None, **changes)


def sent(effects: tuple[Any, ...], kind: type) -> list[tuple[str, Any]]:
    return [
        (each.target, each.message) for each in effects if isinstance(each, Send) and isinstance(each.message, kind)
    ]


# -------------------------------------------------------------------------------------------------------- the primary


def test_a_synchronous_primary_saves_then_sends_and_answers_only_when_the_backup_has_it() -> None:
    node, effects = server().on_message("client", ASKED)
    assert effects == (Save(ServerState(TOGETHER, (ENTRY,))), Send("b", Replicate(1, (ENTRY,))))
    node, effects = node.on_message("b", Replicated(1, 0))
    assert sent(effects, Reply) == []
    node, effects = node.on_message("b", Replicated(1, 1))
    assert effects == (Send("client", Reply(1, 5)),)
    assert node.waiting == ()


def test_an_asynchronous_primary_answers_once_it_has_saved_and_before_it_sends() -> None:
    _, effects = server(synchronous=False).on_message("client", ASKED)
    assert [type(each.message) if isinstance(each, Send) else type(each) for each in effects] == [
        Save,
        Reply,
        Replicate,
    ]


def test_a_primary_without_a_backup_answers_alone() -> None:
    _, effects = server(view=ALONE).on_message("client", ASKED)
    assert effects == (Save(ServerState(ALONE, (ENTRY,))), Send("client", Reply(1, 5)))


def test_a_request_that_comes_again_is_answered_again_and_not_done_again() -> None:
    node, _ = server(view=ALONE).on_message("client", ASKED)
    assert node.on_message("client", ASKED) == (node, (Send("client", Reply(1, 5)),))
    later, _ = node.on_message("other", Request(1, ("add", 2)))
    assert later.on_message("client", ASKED)[1] == (Send("client", Reply(1, 5)),), "as it stood then, not now"


def test_a_request_that_comes_again_before_it_is_safe_waits_and_the_log_is_sent_again() -> None:
    node, _ = server().on_message("client", ASKED)
    again, effects = node.on_message("client", ASKED)
    assert effects == (Send("b", Replicate(1, (ENTRY,))),)
    assert len(again.state.log) == 1


def test_confirmations_of_another_epoch_of_a_stranger_or_of_less_are_ignored() -> None:
    node, _ = server().on_message("client", ASKED)
    node, _ = node.on_message("b", Replicated(1, 1))
    for source, message in (("b", Replicated(0, 1)), ("c", Replicated(1, 1)), ("b", Replicated(1, 1))):
        assert node.on_message(source, message) == (node, ())


def test_the_first_confirmation_of_a_view_makes_it_complete_and_the_monitor_hears_of_it() -> None:
    assert not server().complete
    node, effects = server().on_message("b", Replicated(1, 0))
    assert node.complete
    assert sent(effects, Heartbeat) == [("monitor", Heartbeat(1, True))]


def test_when_the_backup_is_taken_away_those_who_wait_are_answered() -> None:
    node, _ = server().on_message("client", ASKED)
    node, effects = node.on_message("monitor", View(2, "a", None))
    assert effects == (
        Save(ServerState(View(2, "a", None), (ENTRY,))),
        Send("client", Reply(1, 5)),
        Send("monitor", Heartbeat(2, True)),
    )


def test_a_new_backup_gets_the_whole_log() -> None:
    node, _ = server(view=ALONE).on_message("client", ASKED)
    node, effects = node.on_message("monitor", View(2, "a", "b"))
    assert sent(effects, Replicate) == [("b", Replicate(2, (ENTRY,)))]
    assert not node.complete


def test_the_timer_sends_the_log_again_only_to_a_backup_that_is_behind() -> None:
    node = replace(server(), heartbeat_seconds=0.1)
    _, effects = node.on_timer("heartbeat")
    assert sent(effects, Replicate) == [("b", Replicate(1, ()))]
    node, _ = node.on_message("b", Replicated(1, 0))
    _, effects = node.on_timer("heartbeat")
    assert effects == (Send("monitor", Heartbeat(1, True)), SetTimer("heartbeat", (0.1, 0.1)))


def test_a_server_recovers_its_view_and_its_log_and_nothing_else() -> None:
    node, _ = server().on_message("client", ASKED)
    reborn, effects = server().on_start(node.state)
    assert reborn.state == node.state
    assert reborn.waiting == ()
    assert not reborn.complete
    assert sent(effects, Replicate) == [("b", Replicate(1, (ENTRY,)))]


# --------------------------------------------------------------------------------------------------------- the backup


def test_a_backup_saves_before_it_confirms_and_confirms_again_without_saving() -> None:
    node, effects = server("b").on_message("a", Replicate(1, (ENTRY,)))
    assert effects == (Save(ServerState(TOGETHER, (ENTRY,))), Send("a", Replicated(1, 1)))
    assert node.on_message("a", Replicate(1, (ENTRY,))) == (node, (Send("a", Replicated(1, 1)),))
    assert node.on_message("a", Replicate(1, ())) == (node, (Send("a", Replicated(1, 1)),)), "an old copy takes nothing"


def test_a_server_takes_nothing_of_an_earlier_epoch() -> None:
    node, _ = server("b").on_message("monitor", View(2, "b", None))
    assert node.on_message("a", Replicate(1, (ENTRY,))) == (node, ())
    assert node.on_message("monitor", View(1, "a", "b")) == (node, ())


def test_a_backup_that_missed_a_view_learns_of_it_from_the_log() -> None:
    node, effects = server("b", View(1, "b", None)).on_message("a", Replicate(3, (ENTRY,)))
    assert node.state == ServerState(View(3, "a", "b"), (ENTRY,))
    assert isinstance(effects[0], Save)


def test_what_only_the_old_primary_has_goes_when_it_joins_as_a_backup() -> None:
    node, _ = server().on_message("client", ASKED)
    node, _ = node.on_message("b", Replicate(3, ()))
    assert node.state.log == ()
    assert not node.leads


def test_a_server_that_does_not_lead_says_who_does() -> None:
    assert server("b").on_message("client", ASKED)[1] == (Send("client", Redirect(1, 1, "a")),)


def test_messages_for_others_are_ignored() -> None:
    node = server()
    for message in (Heartbeat(1, True), Reply(1, 1), Redirect(1, 1, "a"), Next()):
        assert node.on_message("x", message) == (node, ())


# -------------------------------------------------------------------------------------------------------- the monitor


def test_the_monitor_promotes_the_backup_when_the_primary_is_silent_and_saves_first() -> None:
    node, effects = Monitor(TOGETHER).on_timer(("silence", "a"))
    assert node.view == View(2, "b", None)
    assert effects == (Save(node.view), Send("b", node.view))


def test_the_monitor_drops_a_silent_backup() -> None:
    node, effects = Monitor(TOGETHER, complete=False).on_timer(("silence", "b"))
    assert node.view == View(2, "a", None)
    assert effects == (Save(node.view), Send("a", node.view))


def test_the_monitor_never_promotes_the_backup_of_a_view_that_is_not_complete() -> None:
    node = Monitor(TOGETHER, complete=False)
    assert node.on_timer(("silence", "a")) == (node, ())
    node, _ = node.on_message("a", Heartbeat(1, True))
    assert node.on_timer(("silence", "a"))[0].view.primary == "b"


def test_a_heartbeat_of_another_epoch_or_of_the_backup_completes_nothing() -> None:
    for source, beat in (("a", Heartbeat(0, True)), ("b", Heartbeat(1, True)), ("a", Heartbeat(1, False))):
        node, _ = Monitor(TOGETHER, complete=False).on_message(source, beat)
        assert not node.complete


def test_the_monitor_is_silent_about_who_is_no_member_and_about_a_primary_alone() -> None:
    node = Monitor(ALONE)
    assert node.on_timer(("silence", "a")) == (node, ())
    assert node.on_timer(("silence", "b")) == (node, ())


def test_a_server_that_comes_back_becomes_the_backup_and_one_that_is_behind_is_told_the_view() -> None:
    node, effects = Monitor(View(2, "b", None)).on_message("a", Heartbeat(1, False))
    assert node.view == View(3, "b", "a")
    assert sent(effects, View) == [("b", node.view), ("a", node.view)]
    _, effects = node.on_message("b", Heartbeat(2, True))
    assert sent(effects, View) == [("b", node.view)]


def test_the_monitor_recovers_its_view_and_does_not_take_it_to_be_complete() -> None:
    node, effects = Monitor(TOGETHER).on_start(View(4, "b", "a"))
    assert (node.view, node.complete) == (View(4, "b", "a"), False)
    assert [each.name for each in effects if isinstance(each, SetTimer)] == [("silence", "b"), ("silence", "a")]


def test_the_monitor_ignores_what_is_not_a_heartbeat_and_stops_at_its_last_epoch() -> None:
    node = Monitor(TOGETHER, last_epoch=1)
    assert node.on_message("a", ASKED) == (node, ())
    assert node.on_timer(("silence", "a")) == (node, ())


# --------------------------------------------------------------------------------------------------------- the client


def client(*operations: Any, **changes: Any) -> Client:
    return Client(("a", "b"), operations or (ADD,), **changes)


def test_a_client_asks_records_and_tries_the_next_server_with_the_same_number() -> None:
    node, effects = client().on_start(None)
    assert effects == (Invoke(ADD), Send("a", ASKED), SetTimer("patience", (0.5, 0.5)))
    node, effects = node.on_timer("patience")
    assert effects[0] == Send("b", ASKED)
    node, effects = node.on_message("b", Reply(1, 5))
    assert effects == (Complete(5), CancelTimer("patience"))
    assert node.results == (5,)


def test_a_client_goes_on_where_it_was_answered_and_ignores_old_answers() -> None:
    node, _ = client(ADD, ("read",), start_seconds=0.1).on_timer("start")
    node, effects = node.on_message("b", Reply(1, 5))
    assert Send("b", Request(2, ("read",))) in effects
    assert node.on_message("a", Reply(1, 5)) == (node, ())


def test_a_client_follows_a_redirection_once_for_each_epoch() -> None:
    node, effects = client().on_message("a", Redirect(1, 2, "b"))
    assert effects[0] == Send("b", ASKED)
    assert node.on_message("b", Redirect(1, 2, "a")) == (node, ())
    assert node.on_message("b", Redirect(2, 3, "a")) == (node, ()), "about another request"


def test_a_client_that_gives_up_does_not_know_what_came_of_it() -> None:
    node, _ = client(tries=0).on_timer("patience")
    assert node.on_timer("patience")[1] == (Complete(None, Outcome.UNKNOWN),)
    assert node.on_message("a", Reply(1, 5)) == (node, ())


def test_clients_and_writers_ignore_what_is_for_servers() -> None:
    for message in (TOGETHER, Heartbeat(1, True), ASKED, Replicate(1, ()), Replicated(1, 0)):
        assert client().on_message("x", message)[1] == ()
        assert Writer("w", "a").on_message("x", message)[1] == ()
    assert client().on_message("x", Next())[1] == ()


def test_a_writer_does_not_wait_for_answers() -> None:
    node, effects = Writer("w", "a").on_start(None)
    assert effects == (Send("w", Next()),)
    node, effects = node.on_message("w", Next())
    assert effects == (Send("a", Request(1, ("add", 1))), Send("w", Next()))
    assert node.on_message("a", Reply(1, 1))[0].acknowledged == 1


# --------------------------------------------------------------------------------------------------------- invariants


def test_the_invariants_can_be_broken() -> None:
    told = replace(client(ONE_ADD[0]), results=(1,))
    nodes = {"a": server(), "b": server("b"), "client": told, "monitor": Monitor(TOGETHER)}
    assert acknowledged_entries(World(nodes, {})) == (("client", 1),)
    assert not acknowledged_writes_survive(World(nodes, {}))
    kept = World(nodes, {"a": ServerState(TOGETHER, (Entry("client", 1, ("add", 1)),))})
    assert acknowledged_writes_survive(kept)
    assert applied_once(kept)
    assert not applied_once(World(nodes, {"b": ServerState(TOGETHER, (ENTRY, ENTRY))}))
    assert all_answered(World(nodes, {}))
    assert not all_answered(World({"client": client()}, {}))
    assert servers_that_lead(World(nodes, {})) == ("a",)
    assert acknowledged_writes_survive(World({"client": told}, {}))


def test_reads_count_nothing() -> None:
    assert total_of((ENTRY, Entry("c", 2, ("read",)), ENTRY), 2) == 5


# ------------------------------------------------------------------------------------------------------- seeded runs


@pytest.mark.parametrize("seed", range(20))
def test_chaos_loses_nothing_and_everybody_is_answered(seed: int) -> None:
    run = chaos(pair(ADD_AND_READ * 2, [("read",), ("add", 2)]), seed=seed)
    assert is_linearizable(History.from_events(run.history))
    assert applied_once(run.world)
    assert acknowledged_writes_survive(run.world)
    assert all_answered(run.world)


def test_after_a_failover_the_old_primary_comes_back_and_takes_over_again() -> None:
    faults = [Crash("a", 0.1), Restart("a", 0.5), Crash("b", 1.0)]
    nodes = pair(ONE_ADD * 3)
    nodes["client late"] = Client(("a", "b"), (("read",),), 0.15, start_seconds=1.4)
    run = run_with(nodes, seed=1, faults=faults, until_seconds=2.0)
    monitor, late = run.nodes["monitor"], run.nodes["client late"]
    assert isinstance(monitor, Monitor)
    assert isinstance(late, Client)
    assert monitor.view == View(4, "a", None)
    assert late.results == (3,)


# -------------------------------------------------------------------------------------------------------- exploration


def explored(*operations: Any, crashes: Any = 0, stop: bool = False, **changes: Any) -> Exploration:
    return explore(
        small(*operations, **changes),
        messages="set",
        crashes=crashes,
        always=SAFE,
        record_history=True,
        stop_at_violation=stop,
        max_states=100_000,
    )


@pytest.mark.parametrize(
    ("operations", "options", "states"),
    [
        (ONE_ADD, {"crashes": {"a": 1}}, 18_078),
        (ONE_ADD, {"crashes": {"b": 1}}, 11_939),
        (ONE_ADD, {"crashes": {"a": 1, "monitor": 1}}, 44_648),
        (ONE_ADD, {"crashes": {"a": 1}, "resends": True}, 18_078),
        (ONE_ADD, {"last_epoch": 3}, 57_361),
        (ADD_AND_READ, {}, 22_137),
    ],
)
def test_synchronous_and_fenced_it_is_safe_in_every_order_of_events(
    operations: Any, options: dict[str, Any], states: int
) -> None:
    found = explored(operations, **options)
    found.require_holds()
    assert found.states == states


def test_two_servers_may_believe_that_they_lead() -> None:
    found = explore(small(ONE_ADD), messages="set", sometimes={"two": lambda world: len(servers_that_lead(world)) == 2})
    assert found.witnesses["two"][-1].time_seconds == 2


def test_what_is_stuck_waits_for_a_repair() -> None:
    goal = {"all answered": all_answered}
    stuck, waits = (
        explore(small(ONE_ADD), messages="set", crashes={"a": 1}, eventually_possible=goal, repair=repair)
        for repair in (False, True)
    )
    assert stuck.verdict is Verdict.VIOLATED
    waits.require_holds()


def test_asynchronously_an_acknowledged_write_can_be_lost_after_three_steps() -> None:
    found = explored(ONE_ADD, synchronous=False, stop=True)
    assert found.violations["acknowledged writes survive"][-1].time_seconds == 3


@pytest.mark.parametrize(
    ("broken", "operations", "options", "claim"),
    [
        (UnfencedServer, [ONE_ADD, ONE_ADD], {}, "acknowledged writes survive"),
        (ForgetsWhoAsked, [ONE_ADD], {}, "applied once"),
        (ImpatientPrimary, [ONE_ADD], {"resends": True}, "acknowledged writes survive"),
        (LocalReader, [ADD_AND_READ], {}, "linearizable"),
        (HastyServer, [ONE_ADD], {"crashes": {"a": 1}}, "acknowledged writes survive"),
    ],
)
def test_a_server_with_a_mistake_is_caught(
    broken: type[Server], operations: list[Any], options: dict[str, Any], claim: str
) -> None:
    assert claim in explored(*operations, server_class=broken, stop=True, **options).violations


def test_a_monitor_that_promotes_too_soon_is_caught() -> None:
    found = explored(ONE_ADD, monitor_class=HastyMonitor, last_epoch=4, stop=True)
    assert "acknowledged writes survive" in found.violations


def test_a_hasty_server_is_invisible_where_handlers_are_atomic() -> None:
    found = explore(
        small(ONE_ADD, server_class=HastyServer),
        messages="set",
        crashes={"a": 1},
        always=SAFE,
        record_history=True,
        crash_between_effects=False,
    )
    assert found.verdict is Verdict.HOLDS
