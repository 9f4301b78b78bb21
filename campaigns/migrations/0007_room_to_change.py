from django.db import migrations


class Migration(migrations.Migration):
    """A post is changed once, by its first look: with room beside it, none of its indexes has to be written again."""

    dependencies = [("campaigns", "0006_title_search")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE campaigns_post SET (fillfactor = 80)", "ALTER TABLE campaigns_post RESET (fillfactor)"
        ),
    ]
