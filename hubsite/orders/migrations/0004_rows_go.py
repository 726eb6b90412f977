"""Orders may go: their answers go with them, and an order that stays forgets those that went."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

SET_NULL = django.db.models.deletion.SET_NULL


def _order(name: str) -> models.ForeignKey:
    return models.ForeignKey(null=True, on_delete=SET_NULL, related_name=name, to="orders.order")


class Migration(migrations.Migration):
    """A step. `beside` is the order by the engine that one by the bridge goes beside."""

    dependencies = [("orders", "0003_devices")]

    operations = [
        migrations.AlterField("order", "of", _order("ends")),
        migrations.AlterField("order", "ending", _order("+")),
        migrations.AddField("order", "beside", _order("besides")),
        migrations.AlterField(
            "given",
            "order",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="given",
                to="orders.order",
            ),
        ),
    ]
