"""What every call's file uses."""

from __future__ import annotations

from collections.abc import Mapping

Arguments = Mapping[str, object]
"""A request's `args`: a flat object."""

TECHNICIAN = "technician"
"""Who acted, in records. The user's number stands beside it."""
