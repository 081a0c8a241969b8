"""Parts, a supervisor and crews: their handlers, seeded runs, and every order of events of a small fleet."""

from dataclasses import replace

from distlib.experiments.fault_tolerance.redundancy import Fleet
from distlib.node import Send, World
from distlib.protocols.fault_tolerance.redundancy import (
    Alarm,
    Complaint,
    Echo,
    Part,
    Place,
    Repair,
    Supervisor,
    Switch,
    Wear,
    parts_at_work,
)
from distlib.runtimes.exploration import explore

TWO = ("p", "q")


def started(**changes: int) -> Supervisor:
    options = {"needed": 1, "crews": 1, **changes}
    return Supervisor(TWO, **options).on_start(None)[0]


def test_an_echo_sends_back_what_it_gets() -> None:
    assert Echo().on_start(None)[1] == ()
    assert Echo().on_message("p", Wear(1))[1] == (Send("p", Wear(1)),)


def test_a_part_wears_out_at_work_and_raises_an_alarm() -> None:
    node, effects = Part().on_message("supervisor", Place(True, 1))
    assert effects == (Send("use", Wear(1)),)
    node, effects = node.on_message("use", Wear(1))
    assert (node.up, effects) == (False, (Send("alarm", Alarm(1)),))
    assert node.on_message("alarm", Alarm(1))[1] == (Send("supervisor", Alarm(1)),)
    assert node.on_message("use", Wear(1)) == (node, ())


def test_a_part_on_the_shelf_is_looked_at_and_a_cold_one_cannot_fail() -> None:
    node, effects = Part().on_message("supervisor", Place(False, 1))
    assert effects == (Send("shelf", Wear(1)),)
    assert node.on_message("shelf", Wear(1))[1] == (Send("supervisor", Alarm(1)),)
    assert Part(shelf=False).on_message("supervisor", Place(False, 1))[1] == ()


def test_what_belongs_to_an_earlier_life_is_ignored() -> None:
    node, _ = Part(people=True).on_message("supervisor", Place(True, 1))
    node, _ = node.on_message("supervisor", Place(True, 1))
    for message in (Wear(1), Alarm(1), Complaint(1, 1), Repair("p", 1), Switch(1)):
        assert node.on_message("use", message) == (node, ())


def test_people_notice_what_raised_no_alarm() -> None:
    node, _ = Part(people=True).on_message("supervisor", Place(True, 1))
    node, effects = node.on_message("use", Wear(1))
    assert effects[1] == Send("people", Complaint(1, 1))
    assert node.on_message("people", Complaint(1, 1))[1] == (Send("supervisor", Complaint(1, 1)),)


def test_the_supervisor_switches_over_and_repairs() -> None:
    node, effects = started().on_message("p", Alarm(1))
    assert effects == (Send("crew", Repair("p", 1)), Send("switch", Switch(1)))
    node, effects = node.on_message("switch", Switch(1))
    assert (node.at_work, effects) == (("q",), (Send("q", Place(True, 1)),))
    node, effects = node.on_message("crew", Repair("p", 1))
    assert (node.standby, effects) == (("p",), (Send("p", Place(False, 1)),))


def test_crews_repair_one_after_another() -> None:
    node, _ = started(needed=2).on_message("p", Alarm(1))
    node, effects = node.on_message("q", Alarm(1))
    assert effects == ()
    node, effects = node.on_message("crew", Repair("p", 1))
    assert effects == (Send("p", Place(True, 1)), Send("crew", Repair("q", 1)))
    assert node.broken == ("q",)


def test_with_nothing_left_the_first_that_is_repaired_works() -> None:
    node, _ = started().on_message("p", Alarm(1))
    node, _ = node.on_message("q", Alarm(1))
    node, effects = node.on_message("switch", Switch(1))
    assert effects == ()
    node, effects = node.on_message("crew", Repair("p", 1))
    assert effects[0] == Send("p", Place(True, 1))


def test_a_complaint_puts_everything_back_unless_it_is_known_or_of_an_earlier_round() -> None:
    node, effects = started().on_message("p", Complaint(1, 1))
    assert node.round == 2
    assert effects == (Send("p", Place(True, 2)), Send("q", Place(False, 2)))
    assert node.on_message("p", Complaint(1, 1)) == (node, ())
    known, _ = node.on_message("p", Alarm(2))
    assert known.on_message("p", Complaint(2, 2)) == (known, ())
    for message in (Repair("p", 1), Switch(1), Wear(1), Place(True, 1)):
        assert node.on_message("crew", message) == (node, ())
    assert known.on_message("p", Alarm(2)) == (known, ())


def test_it_starts_over_below_the_least_number_of_parts() -> None:
    node, _ = started(needed=2, start_over_below=1).on_message("p", Alarm(1))
    assert node.round == 1
    assert node.on_message("q", Alarm(1))[0].round == 2


def known(world: World) -> bool:
    """Whether every part that is up and at work is one that the supervisor knows to be, or knows to be broken."""
    supervisor = world.nodes["supervisor"]
    assert isinstance(supervisor, Supervisor)
    return set(parts_at_work(world)) <= {*supervisor.at_work, *supervisor.broken}


def young(world: World) -> bool:
    return all(node.life <= 2 for node in world.nodes.values() if isinstance(node, Part))


def test_parts_that_all_work_are_repaired_in_every_order_of_events() -> None:
    found = explore(
        Fleet(2, 1.0, 1.0, crews=1).nodes(),
        always={"known": known},
        eventually_possible={"all at work": lambda world: len(parts_at_work(world)) == 2 or not young(world)},
        within=young,
    )
    assert (found.states, found.bound) == (338, "within")
    assert not found.violations
    assert not found.stuck


def test_a_standby_needs_alarms_that_take_no_time() -> None:
    """Where an alarm is slower than an order, a standby that has failed is put to work as if it were new."""
    found = explore(
        Fleet(2, 1.0, 1.0, needed=1, dormant_rate=1.0).nodes(),
        always={"known": known},
        within=young,
        max_states=50_000,
        stop_at_violation=True,
    )
    assert "known" in found.violations


def test_the_same_seed_gives_the_same_run() -> None:
    fleet = Fleet(3, 0.1, 1.0, coverage=0.9, people_rate=1.0)
    assert fleet.run(50, seed=4).trace.events == fleet.run(50, seed=4).trace.events
    assert replace(fleet, coverage=0.5).run(50, seed=4).counts != fleet.run(50, seed=4).counts
