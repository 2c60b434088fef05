from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('assets', '0013_car_models'),
    ]

    operations = [
        # What its charger can give is what a session counts with where nothing better is told, over OCPI too.
        migrations.RunSQL(
            """
            UPDATE assets_chargingsession AS session SET max_import_w = GREATEST(asset.max_import_w, 1)
            FROM assets_asset AS asset WHERE asset.id = session.asset_id AND session.max_import_w = 0
            """,
            migrations.RunSQL.noop,
        ),
        migrations.AddConstraint(
            model_name='chargingsession',
            constraint=models.CheckConstraint(condition=models.Q(('max_import_w__gt', 0)), name='session_has_power', violation_error_message='max_import_w is 0. It is what car and charger can take together: at least 1 W, also of a car that is full by now.'),
        ),
    ]
