"""The forms of new hubs: what a token promises, and the fingerprint that somebody compares."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms

from hubcore.backend.enrolment.messages import DOORS_MAX, NAME_BYTES_MAX, ZONE_BYTES_MAX
from hubcore.issuing.hubasks import written_fingerprint
from hubsite.fleet.models import NAME_LENGTH
from hubsite.pages.register.fields import PointsField
from hubsite.register.models import AccessPoint

FINGERPRINT_LENGTH = 64


class TokenForm(forms.Form):
    """A token for one new hub."""

    hub = forms.RegexField(
        r"\A[A-Za-z0-9][A-Za-z0-9_-]*\Z",
        label="Id of the hub",
        max_length=NAME_LENGTH,
        help_text="Letters, digits, - and _, such as front-1. It stands in each record.",
        error_messages={"invalid": "An id has letters, digits, - and _ alone."},
    )
    points = PointsField(label="Access points", required=False)
    time_zone = forms.CharField(label="Time zone of its doors", max_length=ZONE_BYTES_MAX)
    replaces = forms.BooleanField(
        label="A new machine takes the place of a dead one",
        required=False,
        help_text="Then the access points are those of the hub unless you name others.",
    )

    def clean_time_zone(self) -> str:
        """Raise ValidationError for what is no zone."""
        zone: str = self.cleaned_data["time_zone"]
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise forms.ValidationError("This is no zone such as Europe/Berlin.") from error
        return zone

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError for a hub without an access point, or with too many."""
        cleaned: dict[str, Any] = super().clean() or {}
        points = cleaned.get("points") or ()
        if not points and not cleaned.get("replaces"):
            self.add_error("points", "Choose one access point or more.")
        if len(points) > DOORS_MAX:
            self.add_error("points", f"A hub has at most {DOORS_MAX} access points.")
        return cleaned

    def doors(self) -> tuple[tuple[int, str], ...]:
        """Return the access points, and what the hub calls them."""
        return tuple((point.number, _name_of(point)) for point in self.cleaned_data["points"])


class FingerprintForm(forms.Form):
    """The fingerprint that the machine shows, typed by who sees it."""

    fingerprint = forms.CharField(
        label="Fingerprint, as the machine shows it",
        max_length=FINGERPRINT_LENGTH,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        help_text="Five groups of four characters, from the screen of sudo hubctl enroll.",
    )

    def clean_fingerprint(self) -> str:
        """Raise ValidationError for what is no fingerprint."""
        read = written_fingerprint(self.cleaned_data["fingerprint"])
        if not read:
            raise forms.ValidationError("A fingerprint has five groups of four characters.")
        return read


class NameForm(forms.Form):
    """The id of a hub, typed again: what cannot be undone is not done by one button."""

    typed = forms.CharField(label="The id of this hub", max_length=NAME_LENGTH)

    def __init__(self, hub: str, *given: Any) -> None:
        super().__init__(*given)
        self._hub = hub

    def clean_typed(self) -> str:
        """Raise ValidationError for another id."""
        typed: str = self.cleaned_data["typed"]
        if typed != self._hub:
            raise forms.ValidationError(f"This is another id: {self._hub} is meant here.")
        return typed


def _name_of(point: AccessPoint) -> str:
    """Return what a hub calls an access point: printable, at most NAME_BYTES_MAX."""
    text = f"{point.door.name}, {point.name}"
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.encode()[:NAME_BYTES_MAX].decode("utf-8", "ignore")
