"""Which values of nodes are readings, and their numbers in the units of the house.

Law: a value that makes no sense is no reading. It never raises: the service tells all its values at
each connection, so one that did would keep all devices away.
"""

from __future__ import annotations

from collections.abc import Mapping

from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import ELECTRIC_METER, METER_SCALES, QUANTITY_OF, CommandClass
from hubcore.device.state import Quantity

FAHRENHEIT = "°F"
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
    for (class_, property_), quantity in QUANTITY_OF.items():
        if number == class_ and value.property_ == property_:
            return quantity
    return None


def reading_of(value: Value) -> float | None:
    """Return a value as a number in the unit of its quantity, None when it is none."""
    raw = value.value
    if not isinstance(raw, int | float) or not -NUMBER_MAX <= raw <= NUMBER_MAX:
        return None
    if value.metadata.unit == FAHRENHEIT:
        return (raw - 32) * 5 / 9
    return float(raw)
