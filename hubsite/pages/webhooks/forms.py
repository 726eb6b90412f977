"""The form of a webhook: where it leads, and its rights."""

from __future__ import annotations

from typing import Any

from django import forms

from hubcore.evidence.facts import RecordKind
from hubsite.webhooks.address import read_url
from hubsite.webhooks.models import Webhook


class WebhookForm(forms.ModelForm):
    """Where it leads, and what it is told."""

    kinds = forms.MultipleChoiceField(
        required=False,
        choices=[(str(kind), str(kind)) for kind in RecordKind],
        widget=forms.CheckboxSelectMultiple,
        label="Records of these kinds",
    )

    class Meta:
        """Its fields."""

        model = Webhook
        fields = ("label", "url", "alarms", "kinds", "with_names")
        labels = {"url": "Address", "with_names": "With the names of people"}  # noqa: RUF012
        help_texts = {"url": "https://HOST/PATH"}  # noqa: RUF012, the framework's way

    def clean_url(self) -> str:
        """Raise ValidationError for an address that leads nowhere."""
        url: str = self.cleaned_data["url"]
        try:
            read_url(url)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return url

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError for one that would be told nothing."""
        typed: dict[str, Any] = super().clean() or self.cleaned_data
        if not typed.get("alarms") and not typed.get("kinds"):
            raise forms.ValidationError("Choose alarms, or a kind of record.")
        return typed
