"""What the hub of an access point is called on the air."""

import django.core.validators
from django.db import migrations, models

from hubcore.phone import gatt


class Migration(migrations.Migration):
    """See above."""

    dependencies = [("register", "0007_rules_of_points")]

    operations = [
        migrations.AddField(
            model_name="accesspoint",
            name="shown_name",
            field=models.CharField(
                "Name of its hub on the air",
                max_length=20,
                blank=True,
                default="",
                validators=(
                    django.core.validators.RegexValidator(
                        rf"\A{gatt.SHOWN_NAME}\Z", "It is no name for the air."
                    ),
                ),
                help_text="As shown_name in the hub's configuration. Phones in a browser then list "
                "this hub alone. Empty: they list every hub in reach.",
            ),
        )
    ]
