"""What can be done to the portfolio and its reports; each function is one transaction, or several where it says so.

Rows are mappings with the fields of `assets.validation.kinds`; instants in them are aware datetimes or RFC 3339 text.
Bad rows raise `InvalidRows` (`errors`: index, field, code, message) and nothing is stored.

    register_partner(*, name, now, callback_url="", is_sandbox=False, actor=None) -> (Partner, Credentials)
    rotate_callback_secret(*, partner_id, reason, now, actor=None) -> (Partner, secret)
    stop_partner / resume_partner(*, partner_id, reason, now, actor=None) -> Partner
    stop_all_partners(*, reason, now, actor=None) -> int
    partner_named(name) -> Partner
    forget_answers(*, now, kept_for) -> int
    forget_driver_data(*, now, kept_for, at_once=5_000) -> Forgotten
    upsert_assets(*, partner_id, rows, now) -> Upserted(created, updated, unchanged)
    record_states(*, partner_id, rows, now) -> StatesRecorded(accepted, stale)
    record_sessions(*, partner_id, rows, now) -> Upserted
    store_meter_values / store_readings(*, partner_id, rows, now) -> ValuesStored(stored, duplicates)
    store_derived_values(*, values, now) -> number that are new
    withdraw_derived_values(*, ptus) -> number of rows
    maintain_partitions(*, now) -> names of the month partitions made
    drop_old_months(*, now, keep_months, archive) -> names of the month partitions dropped
    create_congestion_area(*, code, name, grid_operator, postcodes) -> CongestionArea
    create_aggregation_ean(*, ean, name, congestion_area, brp, now, actor=None, **product) -> AggregationEan
    enrol_assets(*, aggregation_ean, asset_ids, starts_at, now, actor=None) -> int
    end_membership(*, asset_id, ends_at, reason, now, actor=None) -> Membership

Setpoints have their own: `assets.control.operations`. Reading is in `assets.queries`. An `aggregation_ean` is the
18-digit text.
"""

from assets.operations.driver_data import Forgotten, forget_driver_data
from assets.operations.partitions import drop_old_months, maintain_partitions
from assets.operations.partners import (
    Credentials,
    NotAllStopped,
    PartnerExists,
    PartnerUnknown,
    ReasonMissing,
    forget_answers,
    partner_named,
    register_partner,
    resume_partner,
    rotate_callback_secret,
    stop_all_partners,
    stop_partner,
)
from assets.operations.portfolio import (
    UnableToEndMembership,
    UnableToEnrol,
    create_aggregation_ean,
    create_congestion_area,
    end_membership,
    enrol_assets,
)
from assets.operations.reports import StatesRecorded, Upserted, record_sessions, record_states, upsert_assets
from assets.operations.telemetry import (
    DerivedValue,
    ValuesStored,
    store_derived_values,
    store_meter_values,
    store_readings,
    withdraw_derived_values,
)
from assets.validation.rows import InvalidRows, RowError

__all__ = [
    "Credentials",
    "DerivedValue",
    "Forgotten",
    "InvalidRows",
    "NotAllStopped",
    "PartnerExists",
    "PartnerUnknown",
    "ReasonMissing",
    "RowError",
    "StatesRecorded",
    "UnableToEndMembership",
    "UnableToEnrol",
    "Upserted",
    "ValuesStored",
    "create_aggregation_ean",
    "create_congestion_area",
    "drop_old_months",
    "end_membership",
    "enrol_assets",
    "forget_answers",
    "forget_driver_data",
    "maintain_partitions",
    "partner_named",
    "record_sessions",
    "record_states",
    "register_partner",
    "resume_partner",
    "rotate_callback_secret",
    "stop_all_partners",
    "stop_partner",
    "store_derived_values",
    "store_meter_values",
    "store_readings",
    "upsert_assets",
    "withdraw_derived_values",
]
