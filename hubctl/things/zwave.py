"""The Z-Wave network: what drives it and all its nodes, or one node whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hubctl.page import Page, TextTable, Trouble
from hubctl.things.device import trouble
from hubterm.shapes import mapping, mappings
from hubterm.text import clean, is_number, moment

NOT_CONFIGURED = "not configured"
HEADER = ("node", "device", "state", "security", "battery", "last seen", "product", "faults")
NO_NETWORK = "This hub has no Z-Wave network: hubd.toml has no section [zwave]."
OPENZWAVE = (
    "Nodes behind OpenZWave are shown by what hubd.toml says, and by hubctl devices. hubctl cannot "
    "take devices in or out there, ping or mend: use the program that the network was made with."
)


def troubles(network: Mapping[str, Any]) -> list[Trouble]:
    """Return what is wrong with the network, then with its nodes."""
    found: list[Trouble] = []
    fault = mapping(network.get("fault"))
    if fault:
        found.append(trouble(fault))
    if network.get("is_tested_pair") is False:
        runs = _pair(network.get("driver_version"), network.get("server_version"))
        tested = _pair(network.get("tested_driver_version"), network.get("tested_server_version"))
        what = f"zwave-js and its server run as {runs}; this hubd was tested with {tested}."
        found.append(Trouble("warning", "version", what, "In the clone: make install-zwave"))
    for node in mappings(network.get("nodes")):
        found += [trouble(one) for one in mappings(node.get("faults"))]
    for gone in mappings(network.get("missing")):
        what = f"Node {clean(gone.get('node'))} ({devices_of(gone)}) is not in the network."
        remedy = "Take it in (hubctl zwave include), or correct its number in hubd.toml."
        found.append(Trouble("warning", "missing", what, remedy))
    return found


def page(document: Mapping[str, Any]) -> Page:
    """Return what people read of all networks."""
    network = mapping(document.get("zwave"))
    old = mapping(document.get("openzwave"))
    facts: list[tuple[str, str]] = []
    tables: list[TextTable] = []
    if network:
        facts += _network_facts(document, network)
        rows = [_row(node) for node in mappings(network.get("nodes"))]
        if rows:
            tables.append(TextTable("nodes", HEADER, rows))
    if old:
        facts += [("OpenZWave on", clean(old.get("port"))), ("OpenZWave", OPENZWAVE)]
        rows = [(clean(one.get("node")), _device(one)) for one in mappings(old.get("devices"))]
        tables.append(TextTable("nodes behind OpenZWave", ("node", "device"), rows))
    return Page(troubles(network), facts, tables)


def node_page(node: Mapping[str, Any]) -> Page:
    """Return what people read of one node."""
    return Page([trouble(one) for one in mappings(node.get("faults"))], _node_facts(node))


def devices_of(node: Mapping[str, Any]) -> str:
    """Say what a node is in hubd.toml."""
    return ", ".join(_device(one) for one in mappings(node.get("devices"))) or NOT_CONFIGURED


def _device(device: Mapping[str, Any]) -> str:
    if device.get("door") is not None:
        return f"{clean(device.get('id'))}, lock of door {clean(device['door'])}"
    return f"{clean(device.get('id'))}, {clean(device.get('capability'))}"


def _pair(driver: object, server: object) -> str:
    return f"{clean(driver)} and {clean(server)}"


def _network_facts(
    document: Mapping[str, Any], network: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    yield "network", "away" if mapping(network.get("fault")) else "is there"
    yield "home id", clean(network.get("home_id"))
    yield "stick", clean(network.get("stick"))
    yield "service", clean(network.get("socket"))
    if network.get("driver_version") is None:
        yield "versions", "not known: the service has not been reached since hubd started"
    else:
        tested = {True: "the tested pair", False: "not the tested pair"}
        said = tested.get(network.get("is_tested_pair") is True, "")
        runs = _pair(network.get("driver_version"), network.get("server_version"))
        yield "zwave-js and server", f"{runs}, {said}"
    if not isinstance(network.get("nodes"), list):
        yield "nodes", "not known while the network is away"
    if document.get("under_way") is not None:
        yield "under way", clean(document["under_way"]).replace("_", " ")


def _row(node: Mapping[str, Any]) -> tuple[str, ...]:
    faults = [clean(one.get("fault")).replace("_", " ") for one in mappings(node.get("faults"))]
    return (
        clean(node.get("node")),
        devices_of(node),
        state_of(node),
        clean(node.get("security")),
        f"{clean(node['battery'])} %" if is_number(node.get("battery")) else "-",
        moment(node.get("last_seen")) if is_number(node.get("last_seen")) else "never",
        product_of(node),
        ", ".join(faults) or "-",
    )


def state_of(node: Mapping[str, Any]) -> str:
    """Say whether a node hears; one that was not asked yet what it is says so."""
    state = clean(node.get("state"))
    return state if node.get("ready") is True else f"{state}, not ready"


def product_of(node: Mapping[str, Any]) -> str:
    """Return the numbers by which Z-Wave's list of products has a node."""
    numbers = [node.get(key) for key in ("maker", "product_type", "product")]
    if not all(isinstance(number, int) and 0 <= number <= 0xFFFF for number in numbers):
        return "not known"
    maker, kind, product = numbers
    return f"{maker:04x}-{kind:04x}-{product:04x}"


def _node_facts(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    row = dict(zip(HEADER, _row(node), strict=True))
    yield "node", row["node"]
    yield "in hubd.toml", row["device"]
    yield "state", row["state"]
    yield "security", row["security"]
    yield "battery", row["battery"]
    yield "last seen", row["last seen"]
    yield "maker-type-product", row["product"]
    yield "faults", row["faults"]


def lines_to_add(state: Mapping[str, Any]) -> str:
    """Return the lines of hubd.toml for a node that was taken in."""
    number = clean(state.get("node"))
    others = ("lock", "switch", "cover", "barrier", "sensor", "meter")
    is_what = "lock" if state.get("is_lock") is True else "switch"
    or_what = ", ".join(f'"{other}"' for other in others if other != is_what)
    lines = [
        f"# node {number} speaks by {clean(state.get('security'))}",
        "[[devices]]",
        'kind = "zwave"',
        f'id = "node-{number}"',
        f'name = "Node {number}"',
        f"node = {number}",
        f'capability = "{is_what}"  # or {or_what}',
    ]
    if is_what == "lock":
        lines += [
            "# Where it moves a door: these instead, below its [[doors]], in place of `strike`.",
            "#   [[doors.movers]]",
            '#   kind = "zwave_lock"',
            f'#   id = "node-{number}"',
            f"#   node = {number}",
        ]
    return "\n".join(lines)


def warning_of(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Say what hubd.toml still has a node as, that is gone; None when it has it not."""
    devices = mappings(state.get("devices"))
    if not devices:
        return None
    doors = [clean(one["door"]) for one in devices if one.get("door") is not None]
    still = f"hubd.toml still has it: {devices_of(state)}."
    then = "Take it out there, or include the device again."
    if not doors:
        return {"code": "still-configured", "message": f"{still} {then}", "doors": []}
    lost = f"Until then hubd cannot open the door {', '.join(doors)} by it!"
    return {"code": "door-without-lock", "message": f"{still} {then} {lost}", "doors": doors}
