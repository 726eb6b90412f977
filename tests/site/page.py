"""Reads a page as a browser and a screen reader do, and says what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_UNSEEN = {"hidden", "submit"}
_FIELDS = ("input", "select", "textarea")
_VOID = {"meta", "link", "input", "br", "img", "hr"}


@dataclass
class Form:
    action: str
    method: str
    values: dict[str, str | list[str]] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


@dataclass
class Page(HTMLParser):
    """A page that was read; `text` is what stands on it."""

    source: str
    forms: list[Form] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    """What stands in the text areas that belong to no form, by their ids."""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self._labels: set[str] = set()
        self._ids: list[str] = []
        self._fields: list[tuple[str, dict[str, str]]] = []
        self._select: tuple[str, bool] | None = None
        self._textarea: str | None = None
        self._area: str | None = None
        self._by_id: dict[str, Form] = {}
        self.feed(self.source)
        self.close()
        self._judge()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def form(self, action: str = "") -> Form:
        (found,) = [form for form in self.forms if form.action == action]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)
        self.wrong += [f"<{tag} {name}>" for name in given if name.startswith("on")]
        if "style" in given or tag == "style" or (tag == "script" and "src" not in given):
            self.wrong.append(f"<{tag}> has a style or a script of its own")
        if "id" in given:
            self._ids.append(given["id"])
        if tag == "label":
            self._labels.add(given.get("for", ""))
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
            self._by_id[given.get("id", "")] = self.forms[-1]
        if tag == "button" and "formaction" in given:
            self._send_elsewhere(given)
        if tag in _FIELDS:
            self._fields.append((tag, given))
            self._value(tag, given)
        if tag == "option" and self._select is not None:
            name, has_one = self._select
            if "selected" in given or not has_one:
                self.forms[-1].values[name] = given.get("value", "")
                self._select = (name, True)
        if tag == "button" and "name" in given:
            self.forms[-1].buttons.append(given.get("value", ""))
        if tag == "html" and given.get("lang") != "en":
            self.wrong.append("no language")

    def _send_elsewhere(self, given: dict[str, str]) -> None:
        """A button of a form, which may stand outside it, sends that to an address of its own."""
        form = self._by_id.get(given.get("form", ""))
        if form is None:
            self.wrong.append(f"a button of no form: {given['formaction']}")
        else:
            self.forms.append(Form(given["formaction"], form.method, form.values))

    def _value(self, tag: str, given: dict[str, str]) -> None:
        name = given.get("name")
        if tag == "textarea" and name is None:
            self._area = given["id"]
            self.fields[self._area] = ""
        if name is None or not self.forms:
            return
        if tag == "select":
            self._select = (name, False)
        elif tag == "textarea":
            self._textarea = name
            self.forms[-1].values[name] = ""
        elif given.get("type") not in ("checkbox", "radio"):
            self.forms[-1].values[name] = given.get("value", "")
        elif "checked" in given:
            self.forms[-1].values.setdefault(name, []).append(given.get("value", "on"))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")
        if tag == "select":
            self._select = None
        if tag == "textarea":
            self._textarea = None
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self.forms[-1].values[self._textarea] += data
        if self._area is not None:
            self.fields[self._area] += data
        self.words.append(data)

    def _judge(self) -> None:
        if self.open:
            self.wrong.append(f"not closed: {self.open}")
        for tag, given in self._fields:
            is_named = given.get("id", "") in self._labels or "aria-label" in given
            if given.get("type") not in _UNSEEN and not is_named:
                self.wrong.append(f"<{tag} {given.get('name')}> has no label")
        if self.tags.count("h1") != 1 or self.tags.count("main") != 1:
            self.wrong.append("not one heading and one main part")
        if len(self._ids) != len(set(self._ids)):
            self.wrong.append(f"one id twice: {sorted(self._ids)}")
