"""Which access points are kept from phones in a browser."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """See above."""

    dependencies = [("register", "0010_shown_name")]

    operations = [
        migrations.AddField(
            model_name="accesspoint",
            name="no_browsers",
            field=models.BooleanField(
                "Not for phones in a browser",
                default=False,
                help_text="Whoever reads a browser's files can take its key. Phones in a browser "
                "get no grant for this. One that has such a grant is refused at all its doors "
                "until it has a smaller one, which it fetches after that refusal.",
            ),
        )
    ]
