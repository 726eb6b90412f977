"""In which order orders were given, and which of them are over at a hub."""

from __future__ import annotations

from django.db import migrations, models


def number(apps, schema_editor):  # type: ignore[no-untyped-def]
    """Give what stands now the first turn: what is given from now on goes before it."""
    del schema_editor
    orders = apps.get_model("orders", "Order").objects
    orders.exclude(way="").exclude(on=False, state="waiting").update(turn=0)
    apps.get_model("orders", "Given").objects.exclude(order__ended_at=None).update(is_over=True)


class Migration(migrations.Migration):
    """A step. What was ended before it counts as over: nobody knows at which hubs it stands."""

    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.AddField("order", "turn", models.BigIntegerField(null=True)),
        migrations.AddField("given", "is_over", models.BooleanField(default=False)),
        migrations.AddIndex(
            "order", models.Index(fields=["kind", "point", "turn"], name="order_place")
        ),
        migrations.RunPython(number, migrations.RunPython.noop),
    ]
