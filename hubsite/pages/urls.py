"""The addresses of the pages."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from hubsite.pages import acts, assets, hubs, webpage
from hubsite.pages.accounts import again, elsewhere, firstkey, mine, signing
from hubsite.pages.evidence import proving, records
from hubsite.pages.fleet import behind, devices, ending, newhubs
from hubsite.pages.middleware import takes_files
from hubsite.pages.now import alarms, doors, overview
from hubsite.pages.orders import devices as told
from hubsite.pages.orders import views as orders
from hubsite.pages.people import exporting, importing
from hubsite.pages.phones import api, doorways, ended, guests, held, returning, tokens
from hubsite.pages.phones import joining as invitations
from hubsite.pages.phones import views as phones
from hubsite.pages.register import views
from hubsite.pages.register.subjects import SUBJECTS
from hubsite.pages.scim import api as directories
from hubsite.pages.scim import views as scim
from hubsite.pages.webhooks import views as webhooks


class SubjectConverter(StringConverter):
    """The names of subjects, and no other word."""

    regex = "|".join(subject.name for subject in SUBJECTS)


register_converter(SubjectConverter, "subject")

handler400 = "hubsite.pages.failures.unread"
handler500 = "hubsite.pages.failures.broken"
urlpatterns = [
    path("", overview.overview, name="home"),
    path("sign-in", signing.sign_in_page, name="sign-in"),
    path("sign-out", signing.sign_out, name="sign-out"),
    path("sign-in/wrong-tries", signing.wrong_tries_read, name="wrong-tries-read"),
    path("sign-in/key", signing.key_to_sign, name="key-to-sign"),
    path("sign-in/elsewhere", elsewhere.out, name="elsewhere"),
    path("sign-in/elsewhere/back", elsewhere.back, name="elsewhere-back"),
    path("sign-in/elsewhere/done", elsewhere.done, name="elsewhere-done"),
    path("first-key", firstkey.first, name="first-key"),
    path("first-key/key", firstkey.key_to_make_first, name="first-key-to-make"),
    path("account", mine.account, name="account"),
    path("account/key", mine.key_to_make, name="key-to-make"),
    path("account/again/key", again.key_to_show, name="key-to-show"),
    path("acts", acts.acts, name="acts"),
    path("acts/verify", acts.verify, name="acts-verify"),
    path("assets/<slug:digest>/<str:name>", assets.asset, name="asset"),
    path("hubs", hubs.hubs, name="hubs"),
    path("hubs/behind", behind.behind, name="hubs-behind"),
    path("hubs/ended", ended.ended, name="ended-hubs"),
    path("hubs/of/<slug:name>", hubs.hub, name="hub"),
    path("hubs/of/<slug:name>/keys", ending.keys, name="hub-keys"),
    path("devices", devices.devices, name="devices"),
    path("devices/of/<slug:hub>/<slug:device>", told.device, name="device"),
    path("devices/of/<slug:hub>/<slug:device>/tell", told.tell, name="device-tell"),
    path("new-hubs", newhubs.new_hubs, name="new-hubs"),
    path("new-hubs/token", newhubs.token, name="new-hub-token"),
    path("new-hubs/of/<slug:name>", newhubs.new_hub, name="new-hub"),
    path("person/import", takes_files(importing.importing), name="people-import"),
    path("person/imported", importing.imported, name="people-imported"),
    path("person/export", exporting.exported, name="people-export"),
    path("orders", orders.orders, name="orders"),
    path("orders/part", orders.orders_part, name="orders-part"),
    path("orders/give", orders.give, name="order-give"),
    path("orders/ask/<slug:kind>", orders.ask, name="order-ask"),
    path("orders/<slug:key>", orders.order_page, name="order"),
    path("orders/<slug:key>/end", orders.ask_end, name="order-end"),
    path("orders/<slug:key>/part", orders.order_part, name="order-part"),
    path("orders/<slug:key>/beside", orders.ask_beside, name="order-beside"),
    path("now/doors", doors.doors, name="doors-now"),
    path("now/doors/part", doors.part, name="doors-part"),
    path("now/doors/<int:key>", doors.name, name="door-name"),
    path("now/alarms", alarms.alarms, name="alarms"),
    path("records", records.records, name="records"),
    path("records/verify", proving.verify, name="records-verify"),
    path("records/export", proving.export, name="records-export"),
    path("records/looked-at", proving.looked_at, name="records-looked-at"),
    path("records/<slug:hub>/<int:number>", records.record, name="record"),
    path("person/<slug:person>/invitation", invitations.invitation, name="invitation"),
    path("join/<str:token>", invitations.joining, name="join"),
    path("join/guest/<str:token>", invitations.joining_guest, name="join-guest"),
    path("guest", guests.guests, name="guests"),
    path("guest/add", guests.add, name="guest-add"),
    path("guest/<int:key>", guests.guest, name="guest"),
    path("d/<int:number>", doorways.door, name="door-link"),
    path("point/<slug:key>/sign", doorways.sign, name="door-sign"),
    path("webphone/", webpage.webpage, name="webphone"),
    path("webphone/offers.json", returning.offers, name="webphone-offers"),
    path("webphone/<path:name>", webpage.webpage, name="webphone-file"),
    path("oauth/authorize", invitations.Authorizing.as_view(), name="authorize"),
    path("oauth/token", tokens.Token.as_view(), name="token"),
    path("oauth/revoke", tokens.RevokeToken.as_view(), name="revoke-token"),
    path("api/phone/key", api.key, name="api-key"),
    path("api/phone/grant", api.grant, name="api-grant"),
    path("api/phone/passkey", returning.passkey, name="api-passkey"),
    path("api/phone/passkey/asked", returning.passkey_asked, name="api-passkey-asked"),
    path("api/phone/again", returning.again, name="api-again"),
    path("phone/<slug:key>", phones.phone, name="phone"),
    path("person/<slug:person>/phone", phones.add, name="phone-add"),
    path("person/<slug:person>/pkoc", held.add, held.OF_OTHERS, name="phone-add-others"),
    path("person/<slug:person>/card", held.add, held.CARD, name="card-add"),
    path("webhooks", webhooks.webhooks, name="webhooks"),
    path("webhooks/add", webhooks.add, name="webhook-add"),
    path("webhooks/<slug:key>", webhooks.webhook, name="webhook"),
    path("webhooks/<slug:key>/test", webhooks.test, name="webhook-test"),
    path("webhooks/<slug:key>/end", webhooks.end, name="webhook-end"),
    path("directories", scim.tokens, name="scim-tokens"),
    path("directories/<int:key>/revoke", scim.revoke, name="scim-revoke"),
    path("scim/v2/Users", directories.users),
    path("scim/v2/Users/<str:key>", directories.user),
    path("scim/v2/Groups", directories.groups),
    path("scim/v2/Groups/<str:key>", directories.group),
    path("scim/v2/<str:what>", directories.about),
    path("scim/v2/<str:what>/<str:key>", directories.about),
    path("<subject:name>", views.rows, name="rows"),
    path("<subject:name>/add", views.add, name="add"),
    path("<subject:name>/<slug:key>", views.edit, name="row"),
]
