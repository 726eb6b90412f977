"""The doors: who may pass, what stands for each door, and what watches and keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from hubcore.access.words import HubName
from hubcore.checks import CheckId, Problem, Topic
from hubcore.door.machine import DoorMachine
from hubcore.evidence.carried_alarms import standing_alarms
from hubcore.evidence.records import StoredRecord
from hubcore.ports.doors import Mover
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.backend.heard import LastHeard
from hubd.building.evidence import REMEMBERED_RECORDS, Evidence
from hubd.config.file import Config
from hubd.devices.commands import RemoteCommands
from hubd.doors.operation import Follower
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubd.doors.watch import DoorWatch
from hubd.orders.carried import CarriedOrders
from hubd.orders.from_backend import BackendOrders
from hubd.orders.from_technician import TechnicianOrders
from hubd.orders.keeper import DoorKeeper
from hubd.orders.order_log import OrderLog
from hubd.orders.passback import PassbackReset
from hubd.orders.schedules import HoldSchedules
from hubd.orders.site.in_force import SiteInForce
from hubd.orders.site.judge import SiteOrderJudge
from hubd.orders.site.taker import OrdersOfSite
from hubd.orders.standing import StandingOrders
from hubd.policy.proven import ProvenPolicy
from hubd.stores import Stores
from hubd.technician.decisions import LastDecisions
from hubd.upkeep.denials import LastDenials
from hubd.upkeep.lately.traces import Traces
from hubd.upkeep.measured import Measured
from hubd.upkeep.standing import StandingProblems

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Doors:
    """The doors, who opens them, what stands for them, and what keeps them."""

    watch: DoorWatch
    unlock: Unlock
    standing: StandingOrders
    carried: CarriedOrders
    orders: BackendOrders
    technician: TechnicianOrders
    site: OrdersOfSite
    site_in_force: SiteInForce
    keeper: DoorKeeper
    passback: PassbackReset
    denials: LastDenials
    decisions: LastDecisions
    measured: Measured
    traces: Traces


def make_doors(
    config: Config,
    keys: HubKeys,
    movers: Mapping[str, Mover],
    policy: ProvenPolicy,
    stores: Stores,
    heard: LastHeard,
    commands: RemoteCommands,
    evidence: Evidence,
) -> Doors:
    """Make the doors, with what stood for them and what was asked before."""
    numbers = {door.id: [point.number for point in door.access_points] for door in config.doors}
    standing = StandingOrders(numbers, policy, evidence.clock, evidence.tell)
    schedules = HoldSchedules(numbers, policy, evidence.clock, config.hub.zone)
    persons = Persons(evidence.clock, came_in=schedules.came_in)
    end = evidence.log.last() + 1
    newest = evidence.log.newest(end, REMEMBERED_RECORDS)
    watch = _make_watch(config, movers, persons, newest, evidence)
    denials = LastDenials(evidence.clock)
    door_of = config.doors_of_points()
    measured = Measured(
        door_of,
        [reader.id for reader in config.readers],
        evidence.clock.wall,
    )
    decisions = LastDecisions(door_of, evidence.clock)
    traces = Traces(door_of, evidence.clock)
    held = frozenset(door.id for door in config.doors if door.may_be_held)
    site_in_force = SiteInForce(standing, held.__contains__, evidence.clock)
    unlock = _make_unlock(
        config,
        movers,
        policy,
        standing,
        site_in_force,
        watch,
        persons,
        heard,
        denials,
        (measured, decisions, traces),
        evidence,
    )
    order_log = OrderLog(evidence.paced, evidence.clock, evidence.tell)
    keeper = DoorKeeper(
        standing=standing,
        schedules=schedules,
        movers=movers,
        may_hold=held.__contains__,
        watch=watch,
        log=order_log,
        clock=evidence.clock,
        tell=evidence.tell,
        cannot_hold=partial(_show_cannot_hold, evidence.problems),
    )
    carried = CarriedOrders(
        standing=standing,
        log=order_log,
        may_hold=held.__contains__,
        found=stores.orders,
        has_backend=config.backend is not None,
    )
    orders = BackendOrders(
        standing=standing,
        policy=policy,
        log=order_log,
        clock=evidence.clock,
        may_hold=held.__contains__,
        changed=keeper.apply,
        carried=carried,
    )
    site = OrdersOfSite(
        hub=HubName(config.hub.site, config.hub.id),
        issuer=keys.issuer_key,
        in_force=site_in_force,
        judge=SiteOrderJudge(standing, policy, held.__contains__, commands.has),
        log=order_log,
        file=stores.site_orders,
        clock=evidence.clock,
        changed=keeper.apply,
        release=unlock.release,
        act=commands.act,
        turn=carried.turn,
        believed_digest=stores.site_orders_digest,
    )
    unlock.remember(newest)
    orders.remember(newest)
    return Doors(
        watch=watch,
        unlock=unlock,
        standing=standing,
        carried=carried,
        orders=orders,
        technician=TechnicianOrders(
            standing=standing,
            carried=carried,
            log=order_log,
            changed=keeper.apply,
        ),
        site=site,
        site_in_force=site_in_force,
        keeper=keeper,
        passback=PassbackReset(persons, evidence.log, evidence.clock, evidence.tell),
        denials=denials,
        decisions=decisions,
        measured=measured,
        traces=traces,
    )


def _show_cannot_hold(problems: StandingProblems, doors: frozenset[str]) -> None:
    """Let the problem stand that a schedule would hold open doors which cannot be, or end it."""
    found = None
    if doors:
        held = tuple(sorted(doors))
        found = Problem(CheckId.HOLD_IMPOSSIBLE, {"doors": ", ".join(held)}, held)
    problems.update(Topic.HOLD, found)


def _make_watch(
    config: Config,
    movers: Mapping[str, Mover],
    persons: Persons,
    newest: Sequence[StoredRecord],
    evidence: Evidence,
) -> DoorWatch:
    machines = machines_of(config)
    for door, alarms in standing_alarms(newest).items():
        if door in machines:
            machines[door].carry(alarms)
    return DoorWatch(
        machines=machines,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        driven=lambda door: movers[door].driven,
        came_in=persons.came_in,
        bolt=lambda door: movers[door].bolt_state,
    )


def _make_unlock(
    config: Config,
    movers: Mapping[str, Mover],
    policy: ProvenPolicy,
    standing: StandingOrders,
    site_in_force: SiteInForce,
    watch: DoorWatch,
    persons: Persons,
    heard: LastHeard,
    denials: LastDenials,
    followers: Sequence[Follower],
    evidence: Evidence,
) -> Unlock:
    rules = SiteRules(
        points=points_of(config),
        zone=config.hub.zone,
        grant_seconds_max=config.protocol.grant_days_max * DAY_SECONDS,
    )
    return Unlock(
        rules=rules,
        policy=policy,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        doors=movers,
        watch=watch,
        persons=persons,
        offline_seconds=heard.seconds,
        mode_at=standing.mode_at,
        disabled_here=site_in_force.is_disabled,
        is_guest=site_in_force.is_guest,
        on_denied=denials.note,
        followers=followers,
    )


def machines_of(config: Config) -> dict[str, DoorMachine]:
    """Return what sees each door, by door id."""
    machines: dict[str, DoorMachine] = {}
    for door in config.doors:
        machines[door.id] = DoorMachine(
            watched=door.dps is not None,
            held_open_seconds=door.held_open_seconds,
            pre_alarm_seconds=door.pre_alarm_seconds,
            extended_factor=door.extended_factor,
        )
    return machines


def points_of(config: Config) -> dict[int, Point]:
    """Return the access points by number."""
    points: dict[int, Point] = {}
    for door in config.doors:
        for point in door.access_points:
            points[point.number] = Point(
                number=point.number,
                door=door.id,
                fresh=point.fresh,
                strike_seconds=door.strike_seconds,
                cap_seconds=door.cap_seconds,
                watched=door.dps is not None,
                without_time=door.without_time,
                offline_seconds_max=door.offline_seconds_max,
                extended_factor=door.extended_factor,
            )
    return points
