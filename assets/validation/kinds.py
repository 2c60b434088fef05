"""The kinds of rows that partners hand in, field by field. API, files and admin all judge by these."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from aggregator.core.ptu import PTU_SECONDS, ptu_start
from assets.validation.rows import Columns, Field, RowError, RowKind
from assets.validation.rules import (
    Rule,
    Unacceptable,
    boolean,
    ean18,
    instant,
    integer,
    name,
    non_negative_integer,
    one_of,
    percentage,
    share,
    text,
    word,
)

KINDS = ("charger", "v2g_charger", "bus_charger", "battery", "heat_pump")
CATEGORIES = ("public", "home", "workplace", "shared_car", "depot", "heat")
PAUSING = ("unknown", "can_pause", "cannot_pause")
QUALITIES = ("measured", "estimated")
RESULTS = ("accepted", "rejected", "followed", "not_followed")
SETPOINT_STATUSES = ("pending", *RESULTS)
KINDS_WITH_STORAGE = frozenset({"battery", "heat_pump"})
KINDS_THAT_FEED_IN = frozenset({"v2g_charger", "battery"})

# Words that a constraint of the database and a rule here share, so that every door speaks alike.
SESSION_ENDS_BEFORE_START = "The session ends before it starts. Check plug_in_at and plug_out_at."
SESSION_WITHOUT_POWER = (
    "max_import_w is 0. It is what car and charger can take together: at least 1 W, also of a car that is full by now."
)
MEMBERSHIP_OVERLAPS = (
    "The asset already belongs to an aggregation EAN in part of this period. "
    "End that membership first, or start this one where it ends."
)
MEMBERSHIP_OFF_GRID = (
    "Memberships start and end on quarter hours (:00, :15, :30, :45), because a meter value belongs to one group."
)
MIN_ABOVE_MAX = "min_import_w is above max_import_w. The least power while running cannot exceed the most."
FEED_IN_WITHOUT_STORAGE = "Only a v2g_charger or a battery can feed in. Set max_export_w to 0, or correct kind."
STORAGE_WITHOUT_CAPACITY = "A battery or heat_pump needs capacity_wh, the size of its storage in watt-hour."
MIN_LEVEL_ABOVE_CAPACITY = "min_level_wh is above capacity_wh. A level to keep cannot exceed the storage."

MINUTE_SECONDS = 60
LAST_REVISION = 10_000
CLOCK_SKEW = timedelta(minutes=5)
OLDEST_METER_VALUE = timedelta(days=3 * 366)


def _rejections(broken: Iterable[bool], field: str, code: str, message: str) -> Iterable[RowError]:
    return (RowError(index, field, code, message) for index, is_broken in enumerate(broken) if is_broken)


def _asset_limits(rows: Columns) -> Iterable[RowError]:
    pairs = zip(rows["min_import_w"], rows["max_import_w"], strict=True)
    yield from _rejections((low > high for low, high in pairs), "min_import_w", "above-maximum", MIN_ABOVE_MAX)
    exports = zip(rows["kind"], rows["max_export_w"], strict=True)
    no_storage = (export > 0 and kind not in KINDS_THAT_FEED_IN for kind, export in exports)
    yield from _rejections(no_storage, "max_export_w", "cannot-feed-in", FEED_IN_WITHOUT_STORAGE)
    storages = list(zip(rows["kind"], rows["capacity_wh"], rows["min_level_wh"], strict=True))
    no_capacity = (kind in KINDS_WITH_STORAGE and size is None for kind, size, _ in storages)
    yield from _rejections(no_capacity, "capacity_wh", "required", STORAGE_WITHOUT_CAPACITY)
    too_high = (size is not None and level > size for _, size, level in storages)
    yield from _rejections(too_high, "min_level_wh", "above-maximum", MIN_LEVEL_ABOVE_CAPACITY)


def _session_order(rows: Columns) -> Iterable[RowError]:
    ends = zip(rows["plug_in_at"], rows["plug_out_at"], strict=True)
    backwards = (end is not None and end <= start for start, end in ends)
    yield from _rejections(backwards, "plug_out_at", "ends-before-it-starts", SESSION_ENDS_BEFORE_START)
    departures = zip(rows["plug_in_at"], rows["declared_departure_at"], strict=True)
    early = (departure is not None and departure <= start for start, departure in departures)
    message = "The declared departure is not after plug_in_at. Check both instants."
    yield from _rejections(early, "declared_departure_at", "ends-before-it-starts", message)


def _session_power(rows: Columns) -> Iterable[RowError]:
    nothing = (power_w == 0 for power_w in rows["max_import_w"])
    yield from _rejections(nothing, "max_import_w", "out-of-range", SESSION_WITHOUT_POWER)


def repeated(rows: Columns, *key: str) -> Iterable[RowError]:
    """Yield an error for every row whose key an earlier row of the batch already has."""
    first: dict[object, int] = {}
    for index, values in enumerate(zip(*(rows[column] for column in key), strict=True)):
        if first.setdefault(values, index) != index:
            yield RowError(
                index,
                key[-1],
                "repeated-row",
                f"Row {first[values]} of this batch already has this {' and '.join(key)}. Send one row for each.",
            )


ASSET = RowKind(
    fields=(
        Field("external_id", name, required=True),
        Field("kind", one_of(KINDS), required=True),
        Field("category", one_of(CATEGORIES), required=True),
        Field("connection_ean", ean18, default=""),
        Field("max_import_w", non_negative_integer, required=True, is_number=True),
        Field("max_export_w", non_negative_integer, default=0, is_number=True),
        Field("min_import_w", non_negative_integer, default=0, is_number=True),
        Field("pausing", one_of(PAUSING), default="unknown"),
        Field("capacity_wh", non_negative_integer, is_number=True),
        Field("min_level_wh", non_negative_integer, default=0, is_number=True),
        Field("round_trip_efficiency", share, default=Decimal(1)),
    ),
    checks=(_asset_limits, lambda rows: repeated(rows, "external_id")),
)


def _membership_fields(rows: Columns) -> Iterable[RowError]:
    pairs = list(zip(rows["aggregation_ean"], rows["member_from"], strict=True))
    halves = ((ean is None) != (start is None) for ean, start in pairs)
    message = "aggregation_ean and member_from belong together. Give both, or neither."
    yield from _rejections(halves, "member_from", "required", message)
    off_grid = (start is not None and ptu_start(start) != start for _, start in pairs)
    yield from _rejections(off_grid, "member_from", "off-grid", MEMBERSHIP_OFF_GRID)


PORTFOLIO = RowKind(
    fields=(
        *ASSET.fields,
        Field("aggregation_ean", ean18, repeats=True),
        Field("member_from", instant, repeats=True),
    ),
    checks=(*ASSET.checks, _membership_fields),
)

STATE = RowKind(
    fields=(
        Field("asset", name, required=True, repeats=True),
        Field("at", instant, required=True, repeats=True),
        Field("power_w", integer, required=True, is_number=True),
        Field("level_wh", non_negative_integer, is_number=True),
        Field("soc_percent", percentage),
        Field("is_plugged_in", boolean),
        Field("is_available", boolean, default=True),
        Field("declared_departure_at", instant),
        Field("declared_energy_wh", non_negative_integer, is_number=True),
    ),
)

SESSION = RowKind(
    fields=(
        Field("asset", name, required=True, repeats=True),
        Field("external_id", name, required=True),
        Field("plug_in_at", instant, required=True),
        Field("plug_out_at", instant),
        Field("energy_wh", non_negative_integer, required=True, is_number=True),
        Field("max_import_w", non_negative_integer, required=True, is_number=True),
        Field("declared_departure_at", instant),
        Field("declared_energy_wh", non_negative_integer, is_number=True),
        Field("declared_at", instant),
        Field("arrival_level_wh", non_negative_integer, is_number=True),
        Field("required_energy_wh", non_negative_integer, is_number=True),
        Field("driver_token", text, default=""),
        Field("car_model", word, default=""),
    ),
    checks=(_session_order, _session_power, lambda rows: repeated(rows, "asset", "external_id")),
)


def _names_one_thing(rows: Columns) -> Iterable[RowError]:
    pairs = zip(rows["setpoint_id"], rows["batch_id"], strict=True)
    message = "Give setpoint_id for one setpoint, or batch_id for all setpoints of a batch."
    yield from _rejections(((one is None) == (all_ is None) for one, all_ in pairs), "setpoint_id", "required", message)


RESULT = RowKind(
    fields=(
        Field("setpoint_id", non_negative_integer, is_number=True),
        Field("batch_id", non_negative_integer, is_number=True),
        Field("status", one_of(RESULTS), required=True),
        Field("at", instant, required=True, repeats=True),
        Field("reason", text, default=""),
        Field("achieved_w", integer, is_number=True),
    ),
    checks=(_names_one_thing,),
)

COMMUNICATION_TEST = RowKind(
    fields=(
        Field("asset", name, required=True),
        Field("power_w", integer, required=True, is_number=True),
    ),
    checks=(lambda rows: repeated(rows, "asset"),),
)


def _start_of(length_seconds: int, piece: str) -> Rule:
    """Return a rule that accepts the start of a piece of the clock, as epoch seconds."""

    def rule(value: object) -> int:
        at = instant(value)
        if at.microsecond or int(at.timestamp()) % length_seconds:
            raise Unacceptable("off-grid", f"{at.isoformat()} does not start {piece}")
        return int(at.timestamp())

    return rule


def _revision(value: object) -> int:
    """Return which correction of a meter value this is, from 0."""
    number: int = non_negative_integer(value)
    if number > LAST_REVISION:
        raise Unacceptable("out-of-range", f"Revision {number} is above {LAST_REVISION}. Count corrections 0, 1, 2 …")
    return number


METER_VALUE = RowKind(
    fields=(
        Field("asset", name, required=True, repeats=True),
        Field(
            "starts_at",
            _start_of(PTU_SECONDS, "a quarter hour. Meter values start at :00, :15, :30 or :45."),
            required=True,
            repeats=True,
        ),
        Field("import_wh", non_negative_integer, required=True, is_number=True),
        Field("export_wh", non_negative_integer, default=0, is_number=True),
        Field("quality", one_of(QUALITIES), default="measured", repeats=True),
        Field("revision", _revision, default=0, is_number=True),
    ),
)

READING = RowKind(
    fields=(
        Field("asset", name, required=True, repeats=True),
        Field(
            "starts_at",
            _start_of(MINUTE_SECONDS, "a minute. Readings are means over whole minutes."),
            required=True,
            repeats=True,
        ),
        Field("power_w", integer, required=True, is_number=True),
        Field("revision", _revision, default=0, is_number=True),
    ),
)


def outside_meter_window(starts: Sequence[int], *, length_s: int, now: datetime) -> Iterable[RowError]:
    """Yield an error for every measured value that is not over, or is older than what can still be settled.

    What is named by its end, as many meters have it, would count for the period after it: that is not over yet.
    """
    latest = min(now, now + CLOCK_SKEW - timedelta(seconds=length_s)).timestamp()
    if not starts or (_oldest(now) <= min(starts) and max(starts) <= latest):
        return
    for index, start in enumerate(starts):
        at = datetime.fromtimestamp(start, UTC).isoformat()
        if start > latest:
            yield RowError(
                index,
                "starts_at",
                "in-the-future",
                f"What begins at {at} is not over yet. Name it by its start, not its end; check the clock and the "
                "offset.",
            )
        elif start < _oldest(now):
            yield RowError(
                index,
                "starts_at",
                "too-old",
                f"{at} is more than three years ago and is not settled any more. Check the year.",
            )


def _oldest(now: datetime) -> float:
    return (now - OLDEST_METER_VALUE).timestamp()


def in_the_future(rows: Columns, *fields: str, now: datetime) -> Iterable[RowError]:
    """Yield an error for every reported instant later than `now`, give or take a sender's clock."""
    latest = now + CLOCK_SKEW
    for field in fields:
        for index, value in enumerate(rows[field]):
            if value is not None and value > latest:
                yield RowError(
                    index,
                    field,
                    "in-the-future",
                    f"{value.isoformat()} has not happened yet. Report what was; check the clock and the offset.",
                )
