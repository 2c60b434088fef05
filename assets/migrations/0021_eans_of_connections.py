from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.utils import timezone

import aggregator.core.fields
from aggregator.core.ean import Ean18, InvalidEan

SHAPE = '^([0-9]{18})?$'
WRONG = "A connection is named by its EAN of 18 digits. Compare it with the grid operator's contract and give all digits."


def tell_wrong_ones(apps, schema_editor):
    """Rows of earlier days stay as they are: what they bound is still bound. The audit trail names those to mend."""
    del schema_editor
    now = timezone.now()
    for name in ("Asset", "SteeringLimit"):
        rows = apps.get_model("assets", name).objects.exclude(connection_ean="").order_by("pk")
        for pk, ean in rows.values_list("pk", "connection_ean").iterator():
            try:
                Ean18(ean)
            except InvalidEan as error:
                apps.get_model("core", "AuditEvent").objects.create(
                    at=now,
                    actor_name="system",
                    action="assets.connection_ean.wrong",
                    subject_type=f"assets.{name.lower()}",
                    subject_id=str(pk),
                    reason=f"{error} Left as it is until it is changed; until then it meets only what names it the same.",
                    after={"connection_ean": ean},
                )


class Migration(migrations.Migration):

    dependencies = [
        ('assets', '0020_location_of_an_evse'),
        ('core', '0001_initial'),
    ]

    operations = [
        migrations.AlterField(
            model_name='steeringlimit',
            name='connection_ean',
            field=aggregator.core.fields.Ean18Field(blank=True, help_text='All assets behind this connection together, such as a site.'),
        ),
        migrations.RunPython(tell_wrong_ones, migrations.RunPython.noop),
        # Not valid: whatever is written from now on keeps the rule, and no row that is there stands in the way.
        AddConstraintNotValid(
            model_name='asset',
            constraint=models.CheckConstraint(condition=models.Q(('connection_ean__regex', SHAPE)), name='asset_connection_is_18_digits', violation_error_message=WRONG),
        ),
        AddConstraintNotValid(
            model_name='steeringlimit',
            constraint=models.CheckConstraint(condition=models.Q(('connection_ean__regex', SHAPE)), name='limited_connection_is_18_digits', violation_error_message=WRONG),
        ),
    ]
