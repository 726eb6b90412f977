"""Which values of nodes are readings, and their numbers in the units of the house.

Law: a value that makes no sense is no reading. It never raises: the service tells all its values at
each connection, so one that did would keep all devices away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import (
    ELECTRIC_METER,
    METER_SCALES,
    NOTIFIED,
    QUANTITY_OF,
    SENSOR_UNIT_OF,
    CommandClass,
)
from hubcore.device.state import Quantity

CELSIUS_OF: dict[str | None, Callable[[float], float]] = {
    "°C": float,
    "°F": lambda fahrenheit: (fahrenheit - 32) * 5 / 9,
}
"""By the unit of a temperature."""
NUMBER_MAX = 1e15
"""More than any device measures; JSON may hold more than a float does."""


def quantity_of(value: Value) -> Quantity | None:
    """Return what a value measures, None when it is no reading."""
    number = int(value.command_class)
    if number == CommandClass.METER and value.property_ == "value":
        specific: object = value.metadata.cc_specific
        if not isinstance(specific, Mapping) or specific.get("meterType") != ELECTRIC_METER:
            return None
        scale = specific.get("scale")
        return METER_SCALES.get(scale) if isinstance(scale, int) else None
    if number == CommandClass.NOTIFICATION:
        row = NOTIFIED.get(state_of(value))
        return row[0] if row is not None else None
    for (class_, property_), quantity in QUANTITY_OF.items():
        if number == class_ and value.property_ == property_:
            return quantity
    return None


def reading_of(value: Value) -> float | None:
    """Return a value as a number in the unit of its quantity, None when it is none."""
    raw = value.value
    if not isinstance(raw, int | float) or not -NUMBER_MAX <= raw <= NUMBER_MAX:
        return None
    class_ = int(value.command_class)
    if class_ == CommandClass.NOTIFICATION:
        row = NOTIFIED.get(state_of(value))
        return row[1].get(int(raw)) if row is not None else None
    if class_ == CommandClass.MULTILEVEL_SENSOR:
        return _in_its_unit(value, raw)
    return float(raw)


def _in_its_unit(value: Value, raw: float) -> float | None:
    """Return what a sensor measured, None when it is in a unit that nobody reckons with."""
    unit = value.metadata.unit
    quantity = quantity_of(value)
    if quantity is Quantity.TEMPERATURE:
        return CELSIUS_OF[unit](raw) if unit in CELSIUS_OF else None
    return float(raw) if quantity is not None and SENSOR_UNIT_OF.get(quantity) == unit else None


def state_of(value: Value) -> tuple[str, str]:
    """Return which state of a notification a value is."""
    return (str(value.property_), str(value.property_key))
