"""The form of a guest's link: who comes, which doors, until when, how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from hubcore.access.grant import ACCESS_ENTRIES
from hubsite.pages.register.fields import PointsField, moment_field
from hubsite.register.models import GuestLink
from hubsite.register.models.row import NAME_LENGTH
from hubsite.rules.issuing import WEB_SECONDS

LINK_DAYS = 366
COUNTED_DAYS = WEB_SECONDS // 86_400
"""One grant alone lasts as long as a counted link, and a phone in a browser has no longer one."""


class GuestForm(forms.ModelForm):
    """A link that is made. It is ended, and never changed."""

    guest = forms.CharField(
        max_length=NAME_LENGTH, label="Who comes", help_text="Seen by operators and the guest alone"
    )
    points = PointsField(label="Access points")
    begins = moment_field(initial=timezone.now)
    ends = moment_field()

    class Meta:
        """Its fields, but for those of its days."""

        model = GuestLink
        fields = ("guest", "points", "schedule", "begins", "ends", "uses", "phones")
        labels = {"uses": "How often"}  # noqa: RUF012, the framework's way
        help_texts = {  # noqa: RUF012
            "uses": f"Empty: as often as wanted. With a number: one door, one phone, at most "
            f"{COUNTED_DAYS} days. Each hub counts by itself, also without network.",
            "phones": "How many phones the link connects",
        }

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["schedule"].empty_label = "At all hours"

    def clean_points(self) -> Any:
        """Raise ValidationError for what a guest's phone cannot have."""
        points = self.cleaned_data["points"]
        if len(points) > ACCESS_ENTRIES:
            raise forms.ValidationError(f"At most {ACCESS_ENTRIES} doors can be chosen.")
        kept = ", ".join(point.whole_name for point in points if point.no_browsers)
        if kept:
            raise forms.ValidationError(f"A guest has a phone in a browser, not for: {kept}.")
        return points

    def clean_ends(self) -> Any:
        """Raise ValidationError for an end that is over, or too far away."""
        ends = self.cleaned_data["ends"]
        now = timezone.now()
        if ends <= now:
            raise forms.ValidationError("This end is over.")
        if ends > now + timedelta(days=LINK_DAYS):
            raise forms.ValidationError(f"A link lasts {LINK_DAYS} days at most.")
        return ends

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError for a span that never is, and for what no hub can count."""
        typed: dict[str, Any] = super().clean()
        begins = typed.get("begins")
        ends = typed.get("ends")
        if begins is not None and ends is not None and ends <= begins:
            self.add_error("ends", "It ends before it begins.")
        if typed.get("uses") is not None:
            self._check_counted(typed)
        return typed

    def _check_counted(self, typed: dict[str, Any]) -> None:
        if len({point.door_id for point in typed.get("points", ())}) > 1:
            self.add_error("points", "Each hub counts by itself: choose points of one door.")
        begins = typed.get("begins")
        ends = typed.get("ends")
        longest = timedelta(days=COUNTED_DAYS)
        if begins is not None and ends is not None and ends - begins > longest:
            self.add_error("ends", f"A link with a number lasts {COUNTED_DAYS} days at most.")
