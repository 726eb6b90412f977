"""The checks of the hub's key files, of the unit that hands them over, and of the certificate."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks.words import Check, CheckId, Class, Severity, Topic
from hubcore.phone.certificates import CertificateState

_RENEW = (
    "have the issuer renew it for the same key: a backend sends it, and it is in force at once "
    "(at a desk: hubsim backend renew). Without a backend put it into {file}, "
    "then: sudo systemctl restart hubd. A new file is not read before."
)
_RENEW_TLS = (
    "Doors still open for phones. The backend renews it with the hub's certificate "
    "(at a desk: hubsim backend renew), and it is in force at once. "
    "If that does not help, the site's authority has ended: enrol the hub again, hubctl enroll "
    "--anew."
)
_RENEW_SENTENCE = f"H{_RENEW[1:]}"
_RENEW_AFAR = (
    "Have the issuer renew it for the same key. The backend sends it, and it is in force at once."
)

ROWS: Mapping[CheckId, Check] = {
    CheckId.KEY_NOT_IN_UNIT: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="hubd.service hands over no credential {name}",
        remedy="type: sudo systemctl edit hubd, add LoadCredential={name}:hubd.{name}",
    ),
    CheckId.NO_HUB_YET: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="This machine is no hub yet: none of its keys is there.",
        remedy=(
            "Type: sudo hubctl enroll HOST:PORT, with the token of the backend's operator. "
            "For a hub without a backend put the files of `hubsim site export` into "
            "/etc/credstore."
        ),
    ),
    CheckId.KEY_MISSING: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: there is no such file",
        remedy="{how}",
    ),
    CheckId.KEY_IS_A_FOLDER: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: expected {wanted}, found a folder in its place",
        remedy="type: sudo mv {file} {file}.aside",
    ),
    CheckId.KEY_NOT_A_FILE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: expected {wanted}, found something that is no regular file",
        remedy="type: ls -l {file}",
    ),
    CheckId.KEY_TOO_LARGE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: expected {wanted}, found {size} bytes, which systemd does not hand over",
        remedy="put the right file there",
    ),
    CheckId.KEY_NOT_SEALED: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: found plain in {folder}, but hubd.service expects it sealed",
        remedy="{how}",
    ),
    CheckId.KEY_SEALED_FOR_ANOTHER: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: it was sealed under another name, {other!r}",
        remedy="{how}",
    ),
    CheckId.KEY_SEAL_ENDED: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: its seal has expired (--not-after)",
        remedy="{how}",
    ),
    CheckId.KEY_SEALED_ELSEWHERE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause=(
            "{file}: this machine cannot open it: "
            "it was sealed on another machine (this disk or file comes from there), "
            "the TPM or /var/lib/systemd/credential.secret was replaced, or the file is damaged"
        ),
        remedy="{how} (systemd-creds: {said})",
    ),
    CheckId.KEY_DAMAGED: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: it is damaged, or is not a sealed key at all",
        remedy="{how} (systemd-creds: {said})",
    ),
    CheckId.KEY_NOT_OPENED: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: systemd-creds cannot open it: {said}",
        remedy="{how}",
    ),
    CheckId.KEY_UNKNOWN: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: could not find out whether it can be opened: {said}",
        remedy="see: systemd-creds --version",
    ),
    CheckId.KEY_NOT_ROOTS: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: it belongs to user {user}, who may replace it",
        remedy="type: sudo chown root:root {file}",
    ),
    CheckId.KEY_WRITABLE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: others may write it (mode {mode:03o})",
        remedy="type: sudo chmod 600 {file}",
    ),
    CheckId.KEY_READABLE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: a private key that others may read (mode {mode:03o})",
        remedy="type: sudo chmod 600 {file}",
    ),
    CheckId.KEY_UNREADABLE: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{file}: not even its owner may read it (mode {mode:03o})",
        remedy="type: sudo chmod 600 {file}",
    ),
    CheckId.KEY_STORE_NOT_ROOTS: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="{folder}: users other than root can put files there (user {user}, mode {mode:03o})",
        remedy="type: sudo chown root:root {folder} && sudo chmod 700 {folder}",
    ),
    CheckId.KEY_PLAIN_LEFT: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.WARNING,
        cause="{file}: the plain key is still there beside the sealed one",
        remedy="type: sudo rm {file}",
    ),
    CheckId.KEY_OTHER_RUNS: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.WARNING,
        cause="{file}: it is another one than hubd was handed when it started, and runs with",
        remedy="if the file is right, type: sudo systemctl restart hubd; else put back the old one",
    ),
    CheckId.KEYS_NOT_HANDED_OVER: Check(
        topic=Topic.KEYS,
        class_=Class.SETUP,
        severity=Severity.ERROR,
        cause="systemd could not hand over the keys or run the check (status {status}): {said}",
        remedy="see: journalctl -e",
    ),
    CheckId.UNIT_MISSING: Check(
        topic=Topic.UNIT,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="hubd.service is not installed ({said})",
        remedy="type: make install",
    ),
    CheckId.SYSTEMD_UNKNOWN: Check(
        topic=Topic.UNIT,
        class_=Class.MACHINE,
        severity=Severity.ERROR,
        cause="systemd, which hands over the keys, does not answer: {said}",
        remedy="see: systemctl status",
    ),
    CheckId.CERTIFICATE_ENDED: Check(
        topic=Topic.CERTIFICATE,
        class_=Class.CERTIFICATE,
        severity=Severity.ERROR,
        cause="The hub's certificate ended on {ends}: phones refuse it.",
        remedy=_RENEW_SENTENCE,
        afar=("The hub's certificate has ended: phones refuse it."),
        remedy_afar=(_RENEW_AFAR),
    ),
    CheckId.CERTIFICATE_NOT_YET: Check(
        topic=Topic.CERTIFICATE,
        class_=Class.CERTIFICATE,
        severity=Severity.ERROR,
        cause="The hub's certificate begins on {begins}: phones refuse it until then.",
        remedy=f"Check this machine's clock: timedatectl. If it is right, {_RENEW}",
        afar=("The hub's certificate begins later than now: phones refuse it until then."),
        remedy_afar=(f"Check this machine's clock: timedatectl. If it is right: {_RENEW_AFAR}"),
    ),
    CheckId.CERTIFICATE_ENDING: Check(
        topic=Topic.CERTIFICATE,
        class_=Class.CERTIFICATE,
        severity=Severity.WARNING,
        cause="The hub's certificate ends {left}, on {ends}: phones then refuse it.",
        remedy=_RENEW_SENTENCE,
        afar=("The hub's certificate ends soon: phones then refuse it."),
        remedy_afar=(_RENEW_AFAR),
    ),
    CheckId.PKOC_CERTIFICATE: Check(
        topic=Topic.CERTIFICATE,
        class_=Class.CERTIFICATE,
        severity=Severity.ERROR,
        cause="The certificate of the PKOC reader is not valid now: {file} holds {span}.",
        remedy=(
            "Phones that others make refuse this hub; the site's own do not. Check the clock: "
            "timedatectl. If it is right, have whoever runs the site's PKOC make another one."
        ),
        afar=("The certificate of the PKOC reader is not valid now."),
    ),
    CheckId.TLS_ENDED: Check(
        topic=Topic.TLS,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The hub's TLS certificate ended on {ends}: the bridges of its site refuse it.",
        remedy=_RENEW_TLS,
        afar=("The hub's TLS certificate has ended: the bridges of its site refuse it."),
    ),
    CheckId.TLS_NOT_YET: Check(
        topic=Topic.TLS,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The hub's TLS certificate begins on {begins}: bridges refuse it until then.",
        remedy=f"Check this machine's clock: timedatectl. {_RENEW_TLS}",
        afar=("The hub's TLS certificate begins later than now: bridges refuse it until then."),
    ),
    CheckId.TLS_ENDING: Check(
        topic=Topic.TLS,
        class_=Class.BACKEND,
        severity=Severity.WARNING,
        cause="The hub's TLS certificate ends {left}, on {ends}: bridges then refuse it.",
        remedy=_RENEW_TLS,
        afar=("The hub's TLS certificate ends soon: bridges then refuse it."),
    ),
}

CHECK_OF_TLS: Mapping[CertificateState, CheckId | None] = {
    CertificateState.NOT_YET: CheckId.TLS_NOT_YET,
    CertificateState.VALID: None,
    CertificateState.ENDING: CheckId.TLS_ENDING,
    CertificateState.ENDED: CheckId.TLS_ENDED,
}

CHECK_OF_CERTIFICATE: Mapping[CertificateState, CheckId | None] = {
    CertificateState.NOT_YET: CheckId.CERTIFICATE_NOT_YET,
    CertificateState.VALID: None,
    CertificateState.ENDING: CheckId.CERTIFICATE_ENDING,
    CertificateState.ENDED: CheckId.CERTIFICATE_ENDED,
}
