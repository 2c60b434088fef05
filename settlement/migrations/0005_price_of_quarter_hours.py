from django.db import migrations, models


class Migration(migrations.Migration):
    """What was settled before keeps its money: each of its quarter hours has the price that the whole had."""

    dependencies = [
        ('settlement', '0004_balancing_settlements'),
    ]

    operations = [
        migrations.AddField(
            model_name='deliveryptu',
            name='price_eur_per_mwh',
            field=models.DecimalField(decimal_places=8, default=0, help_text='What the market pays; below zero, we pay.', max_digits=16),
            preserve_default=False,
        ),
        # A default, for the way back.
        migrations.AlterField(
            model_name='delivery',
            name='price_eur_per_mwh',
            field=models.DecimalField(decimal_places=8, default=0, help_text='What the market pays.', max_digits=16),
        ),
        migrations.RunSQL(
            """
            UPDATE settlement_deliveryptu ptu SET price_eur_per_mwh = delivery.price_eur_per_mwh
            FROM settlement_delivery delivery WHERE delivery.id = ptu.delivery_id
            """,
            """
            UPDATE settlement_delivery delivery SET price_eur_per_mwh = coalesce(mean.by_energy, mean.by_time) FROM (
                SELECT ptu.delivery_id,
                    sum(share.paid_wh * ptu.price_eur_per_mwh) / nullif(sum(share.paid_wh), 0) AS by_energy,
                    avg(ptu.price_eur_per_mwh) AS by_time
                FROM settlement_deliveryptu ptu LEFT JOIN settlement_deliveryshare share ON share.ptu_id = ptu.id
                GROUP BY ptu.delivery_id
            ) mean WHERE mean.delivery_id = delivery.id
            """,
        ),
        migrations.RemoveField(model_name='delivery', name='price_eur_per_mwh'),
    ]
