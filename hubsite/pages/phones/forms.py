"""The form of a phone: its public key, as the phone shows it."""

from __future__ import annotations

from typing import Any

from django import forms

from hubcore.errors import PeerError
from hubsite.phones.publickey import read_public_key
from hubsite.register.models import BY_DIGEST, Credential, CredentialKind
from hubsite.register.models.grants import KEY_BYTES

KEY_LENGTH = 2 * KEY_BYTES


class KeyField(forms.CharField):
    """A public key: a COSE_Key in CBOR, as base64url; its value is those bytes."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=KEY_LENGTH, widget=forms.Textarea({"rows": 3}), **more)

    def clean(self, value: str | None) -> bytes:
        """Return the bytes of a key that hubs take. Raise ValidationError."""
        try:
            return read_public_key("".join(super().clean(value).split()))
        except PeerError as error:
            raise forms.ValidationError(
                "This is no public key of a phone: a COSE_Key (P-256) in CBOR, as base64url."
            ) from error


class PhoneForm(forms.ModelForm):
    """A phone, or a phone in a browser."""

    key = KeyField(label="Public key", help_text="As the phone shows it")

    class Meta:
        """Its fields."""

        model = Credential
        fields = ("label", "kind")

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        own = [("", "---------")]
        own += [one for one in CredentialKind.choices if one[0] not in BY_DIGEST]
        self.fields["kind"].choices = own

    def clean_key(self) -> bytes:
        """Raise ValidationError for a key that is somebody's already."""
        key = self.cleaned_data["key"]
        if Credential.objects.filter(key=key).exists():
            raise forms.ValidationError("Another credential has this key.")
        return key

    def save(self, commit: bool = True) -> Credential:
        """Keep the key, too."""
        self.instance.key = self.cleaned_data["key"]
        return super().save(commit)
