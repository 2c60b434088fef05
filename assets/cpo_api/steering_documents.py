"""The shapes on the wire of setpoints, communication tests and groups, for the OpenAPI document."""

from rest_framework import serializers

from assets.control.fallback import FALLBACKS
from assets.cpo_api.shapes import Document, amount, name, power
from assets.validation import kinds


class SetpointView(Document):
    """What an asset is asked to keep. Afterwards it falls back to its own default by itself."""

    setpoint_id = serializers.IntegerField()
    asset = name()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    power_w = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="One value per quarter hour. From 0: take at most this. Below 0: feed in this much.",
    )
    start_early_s = serializers.IntegerField(
        help_text="Begin with the first value this many seconds before starts_at, so that a fleet moves like a slope."
    )
    end_late_s = serializers.IntegerField(
        help_text="Keep the last value this many seconds after ends_at. Where the last values are the asset's maximum, "
        "it is let go inside the period: keep the value before them so much longer too."
    )
    fallback = serializers.ChoiceField(sorted(set(FALLBACKS.values())), help_text="What it does afterwards by itself.")
    ttl_s = serializers.IntegerField(
        allow_null=True,
        help_text="It rules at most so many seconds from its start, or its arrival if later, "
        "unless a newer one rules by then; fall back as at its end. Null: to its end.",
    )


class GroupSetpoint(Document):
    """The sum of a batch: what its assets together may take. For a partner that divides it, this is the setpoint."""

    assets = serializers.IntegerField(help_text="Over how many assets it runs.")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    power_w = serializers.ListField(child=serializers.IntegerField(), help_text="One value per quarter hour.")
    ramp_s = serializers.IntegerField(
        help_text="Who divides it begins each asset up to so many seconds early and ends it up to so many late, "
        "at random, so that they move like a slope: the most of its assets' start_early_s, or of their end_late_s "
        "where none starts early."
    )
    fallback = serializers.ChoiceField(["own_default"])
    ttl_s = serializers.IntegerField(allow_null=True, help_text="The least of its assets.")


class SetpointBatchView(Document):
    """One message with setpoints; a later one replaces what it overlaps."""

    batch_id = serializers.IntegerField()
    aggregation_ean = serializers.CharField()
    order_reference = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    revision = serializers.IntegerField()
    sent_at = serializers.DateTimeField()
    group_setpoint = GroupSetpoint()
    setpoints = SetpointView(many=True, help_text="Empty for a partner that divides the group's power by itself.")


class SetpointFeed(Document):
    """A page of the feed."""

    batches = SetpointBatchView(many=True)
    next_after = serializers.IntegerField(help_text="Give it as `after` in the next call.")


class ResultRow(Document):
    """What became of a setpoint, or with `batch_id` of all setpoints of a batch."""

    setpoint_id = amount(required=False, allow_null=True)
    batch_id = amount(required=False, allow_null=True)
    status = serializers.ChoiceField(kinds.RESULTS)
    at = serializers.DateTimeField()
    reason = serializers.CharField(required=False, max_length=2_000, allow_blank=True)
    achieved_w = power(required=False, allow_null=True, help_text="The power you saw.")


class ResultBatch(Document):
    """Results of setpoints; the newest of each is kept."""

    results = serializers.ListField(child=ResultRow(), min_length=1, max_length=10_000)


class ResultsRecorded(Document):
    """How many setpoints changed."""

    updated = serializers.IntegerField()


class PtuResponse(Document):
    """What was asked in one quarter hour, and what readings say."""

    starts_at = serializers.DateTimeField()
    asked_w = serializers.IntegerField()
    measured_w = serializers.IntegerField(allow_null=True, help_text="Mean over the minutes with a reading.")
    minutes = serializers.IntegerField(help_text="How many of 15 that are.")


class SetpointResponse(Document):
    """A setpoint, its newest result and the response to it."""

    setpoint_id = serializers.IntegerField()
    batch_id = serializers.IntegerField()
    asset = name()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    status = serializers.ChoiceField(kinds.SETPOINT_STATUSES)
    result_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    achieved_w = serializers.IntegerField(allow_null=True)
    response = PtuResponse(many=True)


class PlannedPtu(Document):
    """What stands in one quarter hour."""

    starts_at = serializers.DateTimeField()
    assets = serializers.IntegerField()
    power_w = serializers.IntegerField()


class SetpointPlan(Document):
    """What stands over a period."""

    ptus = PlannedPtu(many=True)


class CommunicationTestRow(Document):
    """An asset to test, and the power to ask of it: below what it takes now."""

    asset = name()
    power_w = power()


class CommunicationTestBatch(Document):
    """Tests to start; all or none."""

    tests = serializers.ListField(child=CommunicationTestRow(), min_length=1, max_length=10)


class CommunicationTestStarted(Document):
    """A test under way."""

    test_id = serializers.IntegerField()
    setpoint_id = serializers.IntegerField()


class CommunicationTests(Document):
    """Tests under way, in the order asked for."""

    tests = CommunicationTestStarted(many=True)


class CommunicationReport(Document):
    """How far a test has come."""

    test_id = serializers.IntegerField()
    asset = name()
    power_w = serializers.IntegerField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    round_trip_ms = serializers.IntegerField(allow_null=True, help_text="Our push and your answer to it.")
    answer = serializers.ChoiceField(kinds.SETPOINT_STATUSES)
    reason = serializers.CharField(allow_blank=True)
    before_w = serializers.IntegerField(allow_null=True)
    moved_at = serializers.DateTimeField(allow_null=True, help_text="First report of the power asked.")
    moved_w = serializers.IntegerField(allow_null=True)
    moved_after_s = serializers.IntegerField(allow_null=True, help_text="From sending to that report.")
    verdict = serializers.ChoiceField(("waiting", "moved", "rejected", "undelivered", "not_moved"))


class GroupView(Document):
    """Your part of an aggregation EAN now."""

    aggregation_ean = serializers.CharField()
    name = serializers.CharField()
    is_sandbox = serializers.BooleanField()
    assets = serializers.IntegerField()
    max_import_w = serializers.IntegerField()
    max_export_w = serializers.IntegerField()
    reporting = serializers.IntegerField(help_text="Assets with a state.")
    power_w = serializers.IntegerField(allow_null=True, help_text="Sum of the newest states; null without any.")


class GroupList(Document):
    """Groups by aggregation EAN."""

    groups = GroupView(many=True)


class PtuEnergy(Document):
    """Energy of your assets in a group in one quarter hour; null where nothing was received."""

    starts_at = serializers.DateTimeField()
    import_wh = serializers.IntegerField(allow_null=True)
    export_wh = serializers.IntegerField(allow_null=True)
    expected = serializers.IntegerField(help_text="Assets that belonged to the group when it started.")
    received = serializers.IntegerField(help_text="Of these, assets with a meter value.")
    missing = serializers.ListField(child=serializers.CharField(), help_text="Assets without one, the first 100.")
    read_import_wh = serializers.IntegerField(allow_null=True, help_text="By minute readings.")
    read_export_wh = serializers.IntegerField(allow_null=True)
    expected_minutes = serializers.IntegerField()
    received_minutes = serializers.IntegerField()


class GroupEnergy(Document):
    """Energy over a period."""

    ptus = PtuEnergy(many=True)
