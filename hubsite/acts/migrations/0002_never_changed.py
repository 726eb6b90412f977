"""The database itself refuses to change or remove an act."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

WORDS = "an act is never changed and never removed"
_SQLITE = """
CREATE TRIGGER acts_act_{verb} BEFORE {verb} ON acts_act
BEGIN SELECT RAISE(ABORT, '{words}'); END
"""
_POSTGRESQL_FUNCTION = f"""
CREATE FUNCTION acts_act_kept() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{WORDS}'; END $$
"""
_POSTGRESQL = """
CREATE TRIGGER acts_act_{verb} BEFORE {verb} ON acts_act
FOR EACH STATEMENT EXECUTE FUNCTION acts_act_kept()
"""


def refuse(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Make the triggers."""
    if editor.connection.vendor == "postgresql":
        editor.execute(_POSTGRESQL_FUNCTION)
        for verb in ("UPDATE", "DELETE", "TRUNCATE"):
            editor.execute(_POSTGRESQL.format(verb=verb))
        return
    for verb in ("UPDATE", "DELETE"):
        editor.execute(_SQLITE.format(verb=verb, words=WORDS))


class Migration(migrations.Migration):
    """A step that is never taken back."""

    dependencies = [("acts", "0001_initial")]
    operations = [migrations.RunPython(refuse)]
