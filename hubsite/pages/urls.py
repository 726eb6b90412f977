"""The addresses of the pages."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from hubsite.pages import acts, assets, home, hubs, signing
from hubsite.pages.phones import views as phones
from hubsite.pages.register import views
from hubsite.pages.register.subjects import SUBJECTS


class SubjectConverter(StringConverter):
    """The names of subjects, and no other word."""

    regex = "|".join(subject.name for subject in SUBJECTS)


register_converter(SubjectConverter, "subject")

urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in", signing.sign_in_page, name="sign-in"),
    path("sign-out", signing.sign_out, name="sign-out"),
    path("acts", acts.acts, name="acts"),
    path("acts/verify", acts.verify, name="acts-verify"),
    path("assets/<slug:digest>/<str:name>", assets.asset, name="asset"),
    path("hubs", hubs.hubs, name="hubs"),
    path("phone/<slug:key>", phones.phone, name="phone"),
    path("person/<slug:person>/phone", phones.add, name="phone-add"),
    path("<subject:name>", views.rows, name="rows"),
    path("<subject:name>/add", views.add, name="add"),
    path("<subject:name>/<slug:key>", views.edit, name="row"),
]
