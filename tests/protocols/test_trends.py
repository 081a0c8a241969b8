"""A ring, training, counters and uploads: handlers, every interleaving of small instances, faults, four mistakes."""

from __future__ import annotations

import pytest

from distlib.broken.trends import AddingDevice, ForgetfulDevice, HastyGateway, HastyRingWorker
from distlib.experiments.trends import devices, measure_ring, ring, run_offline, upload
from distlib.models.latency import Exponential, LogNormal
from distlib.node import Complete, Invoke, Save, Send, SetTimer, World
from distlib.protocols.trends import (
    Acknowledge,
    Batch,
    Chunk,
    Counts,
    Device,
    Gateway,
    Gradient,
    Parameters,
    RingWorker,
    Sensor,
    SensorLog,
    Trainer,
    all_devices_agree,
    every_reading_is_somewhere,
    nobody_knows_too_much,
    sums_are_right,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import CrashRandomly, Link, Network
from distlib.runtimes.simulation import simulate


def everyone_is_done(world: World) -> bool:
    return all(isinstance(node, RingWorker) and node.is_done for node in world.nodes.values())


def test_a_worker_sends_its_own_chunk_first_and_then_the_one_that_it_has_added_to() -> None:
    worker, effects = RingWorker(1, "w2", (1, 2, 3)).on_start(None)
    assert effects == (Invoke(("all-reduce",)), Send("w2", Chunk(0, 2)))
    worker, effects = worker.on_message("w0", Chunk(0, 10))
    assert worker.chunks == (11, 2, 3)
    assert effects == (Send("w2", Chunk(1, 11)),)


def test_an_early_chunk_waits_for_its_step_and_a_copy_is_left() -> None:
    worker, _ = RingWorker(1, "w2", (1, 2, 3)).on_start(None)
    worker, effects = worker.on_message("w0", Chunk(1, 100))
    assert (worker.step, effects) == (0, ())
    assert worker.on_message("w0", Chunk(1, 100)) == (worker, ())
    worker, effects = worker.on_message("w0", Chunk(0, 10))
    assert worker.chunks == (11, 2, 103)
    assert effects == (Send("w2", Chunk(1, 11)), Send("w2", Chunk(2, 103)))
    assert worker.on_message("w0", Chunk(0, 10)) == (worker, ())


def test_one_worker_has_its_sums_at_once() -> None:
    assert RingWorker(0, "w0", (7,)).on_start(None)[1] == ()


@pytest.mark.parametrize(("worker_count", "states"), [(2, 9), (3, 77)])
def test_sums_are_right_in_every_interleaving(worker_count: int, states: int) -> None:
    found = explore(
        ring(worker_count), messages="set", always={"sums": sums_are_right}, eventually_possible={"d": everyone_is_done}
    )
    found.require_holds()
    assert found.states == states


def test_a_ring_of_eight_sums_up_with_messages_that_overtake_each_other_and_come_twice() -> None:
    network = Network(Link(LogNormal(0.01, 1.0), duplicate_probability=0.3))
    for seed in range(20):
        run = simulate(ring(8), seed=seed, network=network)
        assert everyone_is_done(run.world)
        assert sums_are_right(run.world)


def test_a_worker_that_takes_whatever_comes_is_caught() -> None:
    found = explore(ring(3, HastyRingWorker), messages="set", always={"sums": sums_are_right}, stop_at_violation=True)
    assert set(found.violations) == {"sums"}


def test_sums_are_right_over_sockets() -> None:
    assert measure_ring(3) == [(111, 111, 111)] * 3


def test_trainer_goes_on_with_enough_gradients_and_throws_the_late_ones_away() -> None:
    trainer, effects = Trainer(("a", "b", "c"), 2, spare_count=1).on_start(None)
    assert effects == (Invoke(("round", 1)), *(Send(name, Parameters(1)) for name in "abc"))
    trainer, effects = trainer.on_message("a", Gradient(1))
    assert trainer.on_message("a", Gradient(1)) == (trainer, ())
    trainer, effects = trainer.on_message("c", Gradient(1))
    assert effects[:2] == (Complete(), Invoke(("round", 2)))
    assert trainer.on_message("b", Gradient(1)) == (trainer, ())


def test_trainer_needs_at_least_one_gradient() -> None:
    with pytest.raises(ValueError, match=r"`spare_count` must be in \[0, 2\), got 2"):
        Trainer(("a", "b"), 1, spare_count=2)


def test_device_has_its_count_on_disk_before_it_waits_for_the_next() -> None:
    device, _ = Device("d1", ("d2",), passer_count=2).on_start(None)
    device, effects = device.on_timer("pass")
    assert effects == (Save((("d1", 1),)), SetTimer("pass", (1.0, 1.0)))
    device, effects = device.on_timer("pass")
    assert effects == (Save((("d1", 2),)),)


def test_device_merges_by_the_greater_count_and_tells_all() -> None:
    device = Device("d1", ("d2", "d3"), counts=(("d1", 2), ("d2", 5)))
    device, effects = device.on_message("d2", Counts((("d2", 3), ("d3", 1))))
    assert device.counts == (("d1", 2), ("d2", 5), ("d3", 1))
    assert device.on_message("d2", Counts((("d2", 3), ("d3", 1)))) == (device, ())
    _, effects = device.on_timer("exchange")
    assert effects[:2] == (Send("d2", Counts(device.counts)), Send("d3", Counts(device.counts)))


def test_devices_can_always_come_to_agree_and_never_know_too_much() -> None:
    found = explore(
        devices(2, passer_count=2),
        messages="set",
        crashes={"d1": 1},
        always={"never too much": nobody_knows_too_much},
        eventually_possible={"agree": all_devices_agree},
        repair=True,
    )
    found.require_holds()
    assert found.states == 17_724


@pytest.mark.parametrize("broken", [AddingDevice, ForgetfulDevice])
def test_a_device_that_adds_or_forgets_is_caught(broken: type[Device]) -> None:
    found = explore(
        devices(2, broken, passer_count=2),
        messages="set",
        crashes={"d1": 1},
        always={"never too much": nobody_knows_too_much},
        stop_at_violation=True,
    )
    assert set(found.violations) == {"never too much"}


def test_devices_that_were_cut_off_agree_in_the_end() -> None:
    assert all_devices_agree(run_offline().world)


def test_sensor_sends_the_first_of_what_waits_and_forgets_what_is_acknowledged() -> None:
    sensor, effects = Sensor("gateway", reading_count=3, batch_size=4, log=SensorLog(5, 2)).on_timer("tick")
    assert effects[:2] == (Save(SensorLog(8, 2)), Send("gateway", Batch(3, 6)))
    sensor, effects = sensor.on_message("gateway", Acknowledge(6))
    assert effects == (Save(SensorLog(8, 6), forced=False),)
    assert sensor.on_message("gateway", Acknowledge(4)) == (sensor, ())


def test_gateway_takes_what_follows_and_says_what_it_has_of_everything_else() -> None:
    gateway, effects = Gateway(4).on_message("sensor", Batch(3, 6))
    assert effects == (Save(6), Send("sensor", Acknowledge(6)))
    assert gateway.on_message("sensor", Batch(9, 9)) == (gateway, (Send("sensor", Acknowledge(6)),))
    assert gateway.on_message("sensor", Batch(3, 6)) == (gateway, (Send("sensor", Acknowledge(6)),))


def test_every_reading_is_somewhere_in_every_interleaving_and_all_can_arrive() -> None:
    found = explore(
        upload(),
        messages="set",
        crashes={"sensor": 1, "gateway": 1},
        always={"somewhere": every_reading_is_somewhere},
        eventually_possible={"all": lambda world: world.saved["gateway"] == 2},
        repair=True,
    )
    found.require_holds()
    assert found.states == 376


def test_a_gateway_that_acknowledges_before_it_saves_is_caught() -> None:
    found = explore(
        upload(HastyGateway()),
        messages="set",
        crashes={"gateway": 1},
        always={"somewhere": every_reading_is_somewhere},
        stop_at_violation=True,
    )
    assert set(found.violations) == {"somewhere"}


def test_with_loss_copies_and_crashes_every_reading_arrives() -> None:
    nodes = upload(tick_count=20)
    network = Network(Link(LogNormal(0.2, 1.0), loss_probability=0.3, duplicate_probability=0.2))
    for seed in range(20):
        faults = [CrashRandomly(["sensor", "gateway"], Exponential(10.0), Exponential(2.0))]
        run = simulate(
            nodes,
            seed=seed,
            network=network,
            faults=faults,
            until_seconds=400,
            always={"somewhere": every_reading_is_somewhere},
        )
        assert run.saved["gateway"] == 20
