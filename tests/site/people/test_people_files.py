"""Files of people: what would change is shown, then that is done and nothing else."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import example, given
from hypothesis import strategies as st

from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.people import table
from hubsite.people.applying import PeopleImport
from hubsite.people.models import ExternalId
from hubsite.people.plan import ENDS_MAX, Asked, KnownPerson, Plan, plan_of
from hubsite.people.shown import KEPT_MAX, KEPT_SECONDS, ShownImports
from hubsite.people.table import Line, PeopleFile, UnreadableFileError
from hubsite.register.models import Credential, Group, Person
from tests.site.browser import Answer, Browser, at_work

pytestmark = pytest.mark.once

TWO = "name,id,groups\nAnna Ahrens,17,Tenants\nBert Blum,18,Tenants|Cleaners\n"
HOSTILE = "<script>alert(1)</script>"


def _send(browser: Browser, sent: str | bytes, **boxes: str) -> Answer:
    browser.get("/person/import")
    if isinstance(sent, str):
        return browser.submit("/person/import", text=sent, **boxes)
    file = SimpleUploadedFile("people.csv", sent, "text/csv")
    return browser.submit("/person/import", file=file, **boxes)


def _import(browser: Browser, sent: str | bytes, **boxes: str) -> Answer:
    answer = _send(browser, sent, **boxes)
    assert "What would change" in answer.text, answer.text
    return browser.submit("/person/imported")


def _people() -> dict[str, tuple[str, list[str]]]:
    rows = Person.objects.filter(ended_at=None, external__isnull=False)
    return {
        row.external.value: (row.name, [group.name for group in row.groups.all()]) for row in rows
    }


def _kinds() -> list[str]:
    return [act.said["kind"] for act in Act.objects.order_by("number")]


def test_a_file_is_shown_then_done_and_the_same_one_changes_nothing() -> None:
    browser = at_work()
    answer = _send(browser, TWO, makes_groups="on")
    assert "2 new, 0 changed, 0 ended, 0 the same, 0 left out." in answer.text
    assert "Bert Blum (18): Cleaners, Tenants" in answer.text
    assert not Person.objects.exists()
    assert _kinds() == []
    assert browser.submit("/person/imported").where == "/person"
    assert _people() == {
        "17": ("Anna Ahrens", ["Tenants"]),
        "18": ("Bert Blum", ["Cleaners", "Tenants"]),
    }
    assert _kinds() == [
        "people-imported",
        *2 * ["group-made"],
        *2 * ["person-made"],
    ]
    said = Act.objects.get(number=1).said
    assert (said["by"], said["made"], said["refused"]) == ("olga", 2, 0)
    answer = _send(browser, TWO)
    assert "0 new, 0 changed, 0 ended, 2 the same, 0 left out." in answer.text
    assert "Nothing would change." in answer.text
    assert len(_kinds()) == 5
    log.verify()


def test_what_differs_is_changed_and_who_is_missing_stays() -> None:
    browser = at_work()
    _import(browser, TWO, makes_groups="on")
    anna = Person.objects.get(name="Anna Ahrens")
    answer = _import(browser, "id;name\n17;Anna Berg\n")
    assert answer.where == "/person"
    assert _people()["17"] == ("Anna Berg", ["Tenants"])
    assert set(_people()) == {"17", "18"}
    anna.refresh_from_db()
    assert (anna.name, anna.revision, anna.changed_by) == ("Anna Berg", 2, "olga")
    assert _kinds()[-2:] == ["people-imported", "person-changed"]
    _import(browser, "id,name,groups\n17,Anna Berg,\n")
    assert _people()["17"] == ("Anna Berg", [])
    assert not any(b"Berg" in bytes(act.body) for act in Act.objects.all())
    log.verify()


def test_who_is_missing_is_ended_where_the_box_says_so_and_each_is_shown() -> None:
    browser = at_work()
    _import(browser, TWO, makes_groups="on")
    by_hand = Person.objects.create(name="Typed By Hand")
    bert = Person.objects.get(name="Bert Blum")
    phone = Credential.objects.create(person=bert, kind="phone", label="x", key=b"k")
    one = "name,id\nAnna Ahrens,17\n"
    answer = _send(browser, one, ends_missing="on")
    assert "1 ended" in answer.text
    assert "Bert Blum (18)" in answer.text
    browser.submit("/person/imported")
    assert set(_people()) == {"17"}
    phone.refresh_from_db()
    by_hand.refresh_from_db()
    assert phone.revoked_at is not None
    assert by_hand.ended_at is None
    assert _kinds()[-2:] == ["person-ended", "credential-revoked"]
    answer = _send(browser, TWO)
    assert "Line 3: this person has left; somebody who comes back gets another id" in answer.text


def test_nothing_is_done_that_was_not_shown() -> None:
    browser = at_work()
    _import(browser, TWO, makes_groups="on")
    one = "name,id\nAnna Ahrens,17\n"
    _send(browser, one, ends_missing="on")
    late = Person.objects.create(name="Came Meanwhile")
    ExternalId.objects.create(person=late, value="19")
    answer = browser.submit("/person/imported")
    assert answer.status == 409
    assert "Nothing was done. Look again." in answer.text
    assert "Came Meanwhile (19)" in answer.text
    assert set(_people()) == {"17", "18", "19"}
    Person.objects.filter(pk=late.pk).update(revision=2)
    assert browser.submit("/person/imported").status == 409
    assert browser.submit("/person/imported").where == "/person"
    assert set(_people()) == {"17"}


def test_each_line_that_changes_something_is_shown_and_groups_first() -> None:
    """importing, law 2"""
    browser = at_work()
    _import(browser, "name,id\n" + "".join(f"Old {one},{one}\n" for one in range(250)))
    Group.objects.create(name="Vault")
    rows = [f"New {one},{one},{'Vault' if one == 240 else ''}" for one in range(250)]
    rows += [f"Fresh {one},f{one},{'Vault' if one == 249 else ''}" for one in range(250)]
    answer = _send(browser, "name,id,groups\n" + "\n".join(rows))
    assert "250 new, 250 changed" in answer.text
    shown = answer.text
    assert "Vault: 2 get it, 0 lose it" in shown
    assert "Old 240 → New 240 (240): gets Vault" in shown
    assert "Fresh 249 (f249): Vault" in shown
    for one in range(250):
        assert f"Old {one} → New {one} ({one})" in shown
        assert f"Fresh {one} (f{one})" in shown
    places = [shown.index(one) for one in ("2 get it", "gets Vault", "name changes", "are new")]
    assert places == sorted(places)
    browser.submit("/person/imported")
    answer = _send(browser, "name,id,groups\nNew 240,240,\n")
    assert "New 240 (240): loses Vault" in answer.text
    assert "Vault: 0 get it, 1 lose it" in answer.text


def test_what_was_shown_counts_once_and_for_its_operator_alone() -> None:
    olga = at_work("olga")
    _send(olga, TWO, makes_groups="on")
    form = olga.page.form("/person/imported").values
    otto = at_work("otto")
    otto.get("/person/import")
    hidden = otto.page.form("/person/import").values["csrfmiddlewaretoken"]
    answer = otto.post("/person/imported", {**form, "csrfmiddlewaretoken": hidden})
    assert answer.status == 409
    assert "What was shown is not kept any more" in answer.text
    assert not Person.objects.exists()
    assert olga.submit("/person/imported").where == "/person"
    again = {**form, "csrfmiddlewaretoken": hidden}
    assert olga.client.post("/person/imported", again, secure=True).status_code in (400, 403)
    assert Person.objects.count() == 2


def test_a_form_of_another_site_sends_no_file() -> None:
    browser = at_work()
    answer = browser.post("/person/import", {"text": TWO})
    assert answer.status == 403
    assert "What would change" not in answer.text


def test_kept_files_are_few_and_end() -> None:
    now = [0.0]
    shown = ShownImports(lambda: now[0])
    wanted = PeopleImport(PeopleFile((), ()), Asked())
    keys = [shown.keep(f"o{number}", wanted) for number in range(KEPT_MAX + 1)]
    assert shown.take("o0", keys[0]) is None
    assert shown.take("o1", keys[2]) is None
    assert shown.take("o1", keys[1]) is wanted
    assert shown.take("o1", keys[1]) is None
    now[0] = KEPT_SECONDS
    assert shown.take("o2", keys[2]) is None


def test_no_file_lies_on_the_disk(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    browser = at_work()
    long = "".join(f"Person {n:06},{n}\n" for n in range(9_000))
    assert "9000 new" in _send(browser, f"name,id\n{long}".encode()).text
    assert os.listdir(tmp_path) == []
    assert "Choose a file, or paste its text" in _send(browser, "").text


def test_formulas_and_scripts_are_text() -> None:
    browser = at_work()
    Group.objects.create(name="=A|B\\C")
    sent = f"name,id,groups\n\"=cmd|'/c calc'!A0\",-1,'=A\\|B\\\\C\n{HOSTILE},{HOSTILE},\n"
    answer = _import(browser, sent)
    assert answer.where == "/person"
    assert "script" not in answer.page.tags
    assert _people() == {
        "-1": ("=cmd|'/c calc'!A0", ["=A|B\\C"]),
        HOSTILE: (HOSTILE, []),
    }
    browser.get("/person/import")
    form = browser.page.form("/person/export").values
    out = browser.client.post(
        "/person/export",
        form,
        secure=True,
        SERVER_NAME="localhost",
        headers={"Referer": "https://localhost/"},
    )
    assert out.headers["Content-Disposition"] == 'attachment; filename="people.csv"'
    lines = out.content.decode().splitlines()
    assert lines[0] == "name,id,groups"
    assert f"{HOSTILE},{HOSTILE}," in lines
    assert "'=cmd|'/c calc'!A0,'-1,'=A\\|B\\\\C" in lines
    assert _kinds()[-1] == "people-exported"
    answer = _send(browser, out.content)
    assert "0 new, 0 changed, 0 ended, 2 the same, 0 left out." in answer.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Anna", "Line 2: it has 1 cells, and the first line has 3"),
        (",5,", "Line 2: it has no name"),
        ("Anna,,", "Line 2: it has no id"),
        (f"{'x' * 121},5,", "Line 2: its name has over 120 characters"),
        ("An\x07na,5,", "Line 2: its name has control characters"),
        ("Anna,5,Nobodies", "Line 2: there is no group Nobodies"),
        (f"Anna,5,{'|'.join(map(str, range(65)))}", "Line 2: it has over 64 groups"),
        ("Anna,5,\nBert,5,", "Line 3: its id stands in line 2 already"),
    ],
)
def test_a_line_that_is_wrong_is_refused_with_its_number_and_why(line: str, said: str) -> None:
    browser = at_work()
    answer = _send(browser, f"name,id,groups\n{line}\nCarl,6,\n")
    assert said in answer.text
    assert "1 left out" in answer.text
    browser.submit("/person/imported")
    assert _people()["6"] == ("Carl", [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Choose a file, or paste its text"),
        ("Anna,5", "It has no name and no id."),
        ("name\nAnna", "It has no id."),
        ("name,id,id\nAnna,5,6", "There are two columns id."),
        ('name,id\n"Anna"x,5', "Line 2:"),
        ('name,id\n"Anna,5', "Line 2: unexpected end of data"),
        ("name,id\n" + "a,1\n" * (table.LINES_MAX + 1), "A file has at most"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(text: str, said: str) -> None:
    answer = _send(at_work(), text)
    assert said in answer.text
    assert "Nothing was read" in answer.text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_spreadsheets_are_read(encoding: str) -> None:
    text = "name;id\r\nJürgen Groß;5\r\n"
    browser = at_work()
    assert "Jürgen Groß (5)" in _send(browser, text.encode(encoding)).text
    with pytest.raises(UnreadableFileError, match="This is no text"):
        table.decoded(b"\xff\xfea")


_SIGNS = "aZ0 äß\u00a0\u200d漢🙂=+-@＝'|\\,;\""
_TEXT = st.text(_SIGNS, min_size=1, max_size=8).map(str.strip).filter(bool)


_FORMULAS = tuple("=+-@＝")


@pytest.mark.parametrize("delimiter", ",;\t")
def test_no_cell_is_a_formula_whatever_stands_between_cells(delimiter: str) -> None:
    """table, law 1"""
    hostile = ("a;=1", 'a;"=1', "a; ;+1", "a\n=1", 'a\r\n"-1', "a;'=1", "＝1")
    text = table.write((one, other, [one]) for one in hostile for other in hostile)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    assert not [cell for row in rows for cell in row if cell.startswith(_FORMULAS)]


@given(st.dictionaries(_TEXT, st.tuples(_TEXT, st.frozensets(_TEXT, max_size=3)), max_size=5))
@example({"1": ("a;=1", frozenset())})
def test_what_goes_out_and_comes_in_says_the_same(
    people: dict[str, tuple[str, frozenset[str]]],
) -> None:
    text = table.write((name, external, groups) for external, (name, groups) in people.items())
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    of_semicolons = [cell for row in csv.reader(io.StringIO(text), delimiter=";") for cell in row]
    assert not [one for one in (*cells, *of_semicolons) if one.startswith(_FORMULAS)]
    back = table.read(text)
    assert back.refused == ()
    assert {line.external: (line.name, line.groups) for line in back.lines} == people


_IDS = st.sampled_from("abcdef")
_LINES = st.dictionaries(_IDS, st.sampled_from(("Anna", "Bert")), max_size=6)


@given(
    st.lists(_LINES, min_size=1, max_size=5),
    st.booleans(),
    st.sets(_IDS),
    st.sets(_IDS),
    st.booleans(),
)
def test_any_files_one_after_the_other(
    files: list[dict[str, str]],
    ends_missing: bool,
    by_hand: set[str],
    left: set[str],
    is_spoilt: bool,
) -> None:
    """Laws 2, 3 and 4 of `hubsite.people.plan`, over any history."""
    known = {key: _known(key, has_left=key in left) for key in left | by_hand}
    for names in files:
        before = dict(known)
        lines = tuple(Line(2, key, name, None) for key, name in sorted(names.items()))
        refused = (table.RefusedLine(9, "no id"),) if is_spoilt else ()
        asked = Asked(ends_missing=ends_missing)
        plan = plan_of(PeopleFile(lines, refused), known.values(), (), asked)
        _done(known, plan)
        again = plan_of(PeopleFile(lines, refused), known.values(), (), asked)
        assert again.is_empty
        for key, person in before.items():
            assert not person.has_left or known[key] == person
            is_named = key in names
            ends = ends_missing and not is_named and bool(names) and not is_spoilt
            assert known[key].has_left == (person.has_left or ends)


def _known(key: str, name: str = "Anna", has_left: bool = False) -> KnownPerson:
    return KnownPerson(f"key-{key}", key, name, frozenset(), 1, has_left)


def _done(known: dict[str, KnownPerson], plan: Plan) -> None:
    known.update((line.external, _known(line.external, line.name)) for line in plan.made)
    for person, line in plan.changed:
        known[person.external] = replace(person, name=line.name)
    for person in plan.ended:
        known[person.external] = replace(person, has_left=True)


def test_a_file_ends_no_crowd() -> None:
    known = [_known(str(number)) for number in range(ENDS_MAX + 2)]
    file = PeopleFile((Line(2, "0", "Anna", None),), ())
    plan = plan_of(file, known, (), Asked(ends_missing=True))
    assert plan.ended == ()
    assert f"{ENDS_MAX + 1} are missing" in plan.kept
