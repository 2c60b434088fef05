"""The shapes on the wire, for the OpenAPI document. What is accepted is decided by `assets.validation.kinds`."""

from typing import Any

from rest_framework import serializers

from assets.validation import kinds
from assets.validation.rules import LARGEST_INTEGER, LONGEST_NAME


class _Document(serializers.Serializer[Any]):
    """A shape that is described and never used to parse."""


def _name(**options: Any) -> serializers.CharField:
    return serializers.CharField(max_length=LONGEST_NAME, **options)


def _amount(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0, max_value=LARGEST_INTEGER, **options)


def _power(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=-LARGEST_INTEGER, max_value=LARGEST_INTEGER, **options)


class AssetRow(_Document):
    """A steerable unit, seen at its grid side. Power in W, storage in Wh."""

    external_id = _name(help_text="Your own, stable name for it.")
    kind = serializers.ChoiceField(kinds.KINDS)
    category = serializers.ChoiceField(kinds.CATEGORIES)
    connection_ean = serializers.CharField(
        required=False, max_length=18, help_text="EAN-18 of the connection behind which it sits; empty when not known."
    )
    max_import_w = _amount()
    max_export_w = _amount(required=False, default=0, help_text="Above 0 only for v2g_charger and battery.")
    min_import_w = _amount(
        required=False, default=0, help_text="Least power while running: 6 A on one phase is 1380 W."
    )
    pausing = serializers.ChoiceField(kinds.PAUSING, required=False, default="unknown")
    capacity_wh = _amount(required=False, allow_null=True, help_text="Required for battery and heat_pump.")
    min_level_wh = _amount(required=False, default=0)
    round_trip_efficiency = serializers.CharField(required=False, default="1", help_text='Share as text, like "0.92".')


class AssetBatch(_Document):
    """Assets to register or bring up to date."""

    assets = serializers.ListField(child=AssetRow(), min_length=1, max_length=5_000)


class AssetView(AssetRow):
    """An asset as registered, with the group it belongs to now."""

    aggregation_ean = serializers.CharField(allow_null=True)


class AssetPage(_Document):
    """A page of assets, by name."""

    assets = AssetView(many=True)
    next_after = serializers.CharField(
        allow_null=True, help_text="Give it as `after` for the next page; null at the end."
    )


class Upserted(_Document):
    """What a batch did."""

    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class StateRow(_Document):
    """What an asset does at an instant."""

    asset = _name()
    at = serializers.DateTimeField()
    power_w = _power(help_text="Positive takes from the grid.")
    level_wh = _amount(required=False, allow_null=True, help_text="Energy in the storage.")
    is_plugged_in = serializers.BooleanField(required=False, allow_null=True)
    is_available = serializers.BooleanField(required=False, default=True)


class StateBatch(_Document):
    """States; the newest of each asset is kept."""

    states = serializers.ListField(child=StateRow(), min_length=1, max_length=10_000)


class StatesRecorded(_Document):
    """What a batch did; stale states were older than what is known."""

    accepted = serializers.IntegerField()
    stale = serializers.IntegerField()


class SessionRow(_Document):
    """A car from plug-in to plug-out. Report it at plug-in, when it changes, and at plug-out."""

    asset = _name()
    external_id = _name(help_text="Your own name for the session.")
    plug_in_at = serializers.DateTimeField()
    plug_out_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Absent while plugged in.")
    energy_wh = _amount(help_text="Charged so far.")
    max_import_w = _amount(help_text="What car and charger can take together.")
    declared_departure_at = serializers.DateTimeField(required=False, allow_null=True)
    declared_energy_wh = _amount(required=False, allow_null=True)
    arrival_level_wh = _amount(required=False, allow_null=True)
    required_energy_wh = _amount(
        required=False, allow_null=True, help_text="What the car could have taken by plug-out."
    )
    driver_token = serializers.CharField(
        required=False, max_length=2_000, allow_blank=True, help_text="Hashed on arrival; the token itself is not kept."
    )


class SessionBatch(_Document):
    """Sessions to record or bring up to date."""

    sessions = serializers.ListField(child=SessionRow(), min_length=1, max_length=10_000)


class MeterValueRow(_Document):
    """Energy of one asset in one quarter hour."""

    asset = _name()
    starts_at = serializers.DateTimeField(help_text="On a quarter hour.")
    import_wh = _amount()
    export_wh = _amount(required=False, default=0)
    quality = serializers.ChoiceField(kinds.QUALITIES, required=False, default="measured")
    revision = serializers.IntegerField(
        min_value=0, max_value=kinds.LAST_REVISION, required=False, default=0, help_text="A correction counts one up."
    )


class MeterValueBatch(_Document):
    """Meter values."""

    values = serializers.ListField(child=MeterValueRow(), min_length=1, max_length=20_000)


class ReadingRow(_Document):
    """Mean power of one asset in one minute."""

    asset = _name()
    starts_at = serializers.DateTimeField(help_text="On a whole minute.")
    power_w = _power(help_text="Positive takes from the grid.")
    revision = serializers.IntegerField(
        min_value=0, max_value=kinds.LAST_REVISION, required=False, default=0, help_text="A correction counts one up."
    )


class ReadingBatch(_Document):
    """Readings."""

    readings = serializers.ListField(child=ReadingRow(), min_length=1, max_length=20_000)


class ValuesStored(_Document):
    """What a batch did."""

    stored = serializers.IntegerField()
    duplicates = serializers.IntegerField()


class SetpointView(_Document):
    """What an asset is asked to keep. Afterwards it falls back to its own default by itself."""

    setpoint_id = serializers.IntegerField()
    asset = _name()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    power_w = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="One value per quarter hour. From 0: take at most this. Below 0: feed in this much.",
    )
    start_early_s = serializers.IntegerField(
        help_text="Begin with the first value this many seconds before starts_at, so that a fleet moves like a slope."
    )
    end_late_s = serializers.IntegerField(help_text="Keep the last value this many seconds after ends_at.")


class SetpointBatchView(_Document):
    """One message with setpoints; a later one replaces what it overlaps."""

    batch_id = serializers.IntegerField()
    aggregation_ean = serializers.CharField()
    order_reference = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    revision = serializers.IntegerField()
    sent_at = serializers.DateTimeField()
    setpoints = SetpointView(many=True)


class SetpointFeed(_Document):
    """A page of the feed."""

    batches = SetpointBatchView(many=True)
    next_after = serializers.IntegerField(help_text="Give it as `after` in the next call.")


class ResultRow(_Document):
    """What became of a setpoint."""

    setpoint_id = _amount()
    status = serializers.ChoiceField(kinds.RESULTS)
    at = serializers.DateTimeField()
    reason = serializers.CharField(required=False, max_length=2_000, allow_blank=True)


class ResultBatch(_Document):
    """Results of setpoints; the newest of each is kept."""

    results = serializers.ListField(child=ResultRow(), min_length=1, max_length=10_000)


class ResultsRecorded(_Document):
    """How many setpoints changed."""

    updated = serializers.IntegerField()


class ProblemError(_Document):
    """What is wrong with one field of one row, counted from 0."""

    index = serializers.IntegerField()
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class Problem(_Document):
    """An error (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Names the rule; stays the same when the words change.")
    detail = serializers.CharField()
    errors = ProblemError(many=True)  # type: ignore[assignment] # RFC 9457 leaves us the name; DRF uses it otherwise
