"""The shapes on the wire, for the OpenAPI document. What is accepted is decided by `assets.validation.kinds`."""

from rest_framework import serializers

from assets.cpo_api.shapes import Document, amount, name, power
from assets.validation import kinds
from assets.validation.rules import LONGEST_NAME


class AssetRow(Document):
    """A steerable unit, seen at its grid side. Power in W, storage in Wh."""

    external_id = name(help_text="Your own, stable name for it.")
    kind = serializers.ChoiceField(kinds.KINDS)
    category = serializers.ChoiceField(kinds.CATEGORIES)
    connection_ean = serializers.CharField(
        required=False, max_length=18, help_text="EAN-18 of the connection behind which it sits; empty when not known."
    )
    max_import_w = amount()
    max_export_w = amount(required=False, default=0, help_text="Above 0 only for v2g_charger and battery.")
    min_import_w = amount(required=False, default=0, help_text="Least power while running: 6 A on one phase is 1380 W.")
    pausing = serializers.ChoiceField(kinds.PAUSING, required=False, default="unknown")
    capacity_wh = amount(required=False, allow_null=True, help_text="Required for battery and heat_pump.")
    min_level_wh = amount(required=False, default=0)
    round_trip_efficiency = serializers.CharField(required=False, default="1", help_text='Share as text, like "0.92".')


class AssetBatch(Document):
    """Assets to register or bring up to date."""

    assets = serializers.ListField(child=AssetRow(), min_length=1, max_length=5_000)


class AssetView(AssetRow):
    """An asset as registered, with the group it belongs to now."""

    aggregation_ean = serializers.CharField(allow_null=True)


class AssetPage(Document):
    """A page of assets, by name."""

    assets = AssetView(many=True)
    next_after = serializers.CharField(
        allow_null=True, help_text="Give it as `after` for the next page; null at the end."
    )


class Upserted(Document):
    """What a batch did."""

    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class StateRow(Document):
    """What an asset does at an instant."""

    asset = name()
    at = serializers.DateTimeField()
    power_w = power(help_text="Positive takes from the grid.")
    level_wh = amount(required=False, allow_null=True, help_text="Energy in the storage.")
    soc_percent = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=100,
        help_text="Instead of level_wh, with one decimal; the level follows where the storage's size is registered.",
    )
    is_plugged_in = serializers.BooleanField(required=False, allow_null=True)
    is_available = serializers.BooleanField(required=False, default=True)
    declared_departure_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="As the driver said; holds for the open session too."
    )
    declared_energy_wh = amount(
        required=False, allow_null=True, help_text="What the driver asked for, counted from plug-in."
    )


class StateBatch(Document):
    """States; the newest of each asset is kept."""

    states = serializers.ListField(child=StateRow(), min_length=1, max_length=10_000)


class StatesRecorded(Document):
    """What a batch did; stale states were older than what is known."""

    accepted = serializers.IntegerField()
    stale = serializers.IntegerField()


class SessionRow(Document):
    """A car from plug-in to plug-out. Report it at plug-in, when it changes, and at plug-out."""

    asset = name()
    external_id = name(help_text="Your own name for the session.")
    plug_in_at = serializers.DateTimeField()
    plug_out_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Absent while plugged in.")
    energy_wh = amount(help_text="Charged so far.")
    max_import_w = amount(least=1, help_text="What car and charger can take together.")
    declared_departure_at = serializers.DateTimeField(required=False, allow_null=True)
    declared_energy_wh = amount(required=False, allow_null=True)
    declared_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="When the driver said so. Used for sessions first reported when over; else it counts as told now.",
    )
    arrival_level_wh = amount(required=False, allow_null=True)
    required_energy_wh = amount(required=False, allow_null=True, help_text="What the car could have taken by plug-out.")
    driver_token = serializers.CharField(
        required=False, max_length=2_000, allow_blank=True, help_text="Hashed on arrival; the token itself is not kept."
    )
    car_model = serializers.CharField(
        required=False,
        max_length=LONGEST_NAME,
        allow_blank=True,
        help_text="In your own words, always the same; cars of one model are taken to pause alike.",
    )


class SessionBatch(Document):
    """Sessions to record or bring up to date."""

    sessions = serializers.ListField(child=SessionRow(), min_length=1, max_length=10_000)


class MeterValueRow(Document):
    """Energy of one asset in one quarter hour."""

    asset = name()
    starts_at = serializers.DateTimeField(help_text="On a quarter hour.")
    import_wh = amount()
    export_wh = amount(required=False, default=0)
    quality = serializers.ChoiceField(kinds.QUALITIES, required=False, default="measured")
    revision = serializers.IntegerField(
        min_value=0, max_value=kinds.LAST_REVISION, required=False, default=0, help_text="A correction counts one up."
    )


class MeterValueBatch(Document):
    """Meter values."""

    values = serializers.ListField(child=MeterValueRow(), min_length=1, max_length=20_000)


class ReadingRow(Document):
    """Mean power of one asset in one minute."""

    asset = name()
    starts_at = serializers.DateTimeField(help_text="On a whole minute.")
    power_w = power(help_text="Positive takes from the grid.")
    revision = serializers.IntegerField(
        min_value=0, max_value=kinds.LAST_REVISION, required=False, default=0, help_text="A correction counts one up."
    )


class ReadingBatch(Document):
    """Readings."""

    readings = serializers.ListField(child=ReadingRow(), min_length=1, max_length=20_000)


class ValuesStored(Document):
    """What a batch did."""

    stored = serializers.IntegerField()
    duplicates = serializers.IntegerField()


class ProblemError(Document):
    """What is wrong with one field of one row, counted from 0."""

    index = serializers.IntegerField()
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class Problem(Document):
    """An error (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Names the rule; stays the same when the words change.")
    detail = serializers.CharField()
    errors = ProblemError(many=True)  # type: ignore[assignment] # RFC 9457 leaves us the name; DRF uses it otherwise
