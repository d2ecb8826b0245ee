from typing import Any

from django.db import migrations, models

PARKED = {
    'waits for the client to connect': 'offline',
    'a standing order keeps the client paused': 'standing_order',
}


def name_causes(apps: Any, schema_editor: Any) -> None:
    """Of rows that wait: operations look at these causes. What has ended keeps its text only."""
    rows = apps.get_model('crypto', 'CommandLog').objects.using(schema_editor.connection.alias)
    waiting = rows.filter(state='QUEUED', due_at__isnull=False)
    waiting.filter(held=True).update(cause='operation')
    for reason, cause in PARKED.items():
        waiting.filter(held=False, reason=reason).update(cause=cause)
    waiting.filter(held=False, retry_at__isnull=False).exclude(cause__in=PARKED.values()).update(cause='retry')


class Migration(migrations.Migration):

    dependencies = [
        ('crypto', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='commandlog',
            name='cause',
            field=models.CharField(blank=True, help_text='Why the row is in its state: a word of `Cause`.', max_length=32),
        ),
        migrations.AlterField(
            model_name='commandlog',
            name='reason',
            field=models.TextField(blank=True, help_text='The same in words, made from the cause.'),
        ),
        migrations.RunPython(name_causes, migrations.RunPython.noop),
    ]
