"""What the exchange accepts as an order: a JSON body in, a checked request or the list of all its errors out.

Pure. The rules are those of the public ETPA description; where it is silent the choice is marked [I] (inferred) in
docs/mock-market.md.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from aggregator.core.ean import has_valid_check_digit
from aggregator.core.money import CENT
from aggregator.core.ptu import PTU, ptu_start

EAN_DIGITS = 18
QUANTITY_STEP_MW = Decimal("0.1")
LARGEST_QUANTITY_MW = Decimal("999.9")
LARGEST_PRICE_EUR_PER_MWH = Decimal("9999.99")
LONGEST_PERIOD = 100 * PTU  # the longest Dutch day
LONGEST_FACILITY_TYPE = 10
LONGEST_CONTRACT_ID = 64
LARGEST_META_DATA_BYTES = 4096
GATE_BEFORE_START = timedelta(minutes=15)
"""The last moment for an order, counted back from its start (the latest `customExpirationTime`)."""
_LATEST_EPOCH_MS = 4_102_444_800_000  # 2100-01-01: beyond it a value is in the wrong unit

T = TypeVar("T")

_TYPE_NAMES = {bool: "true or false", str: "text", int: "a whole number", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or, as a warning, odd) with a request."""

    code: str
    message: str
    field: str | None = None


class InvalidOrder(ValueError):
    """The body breaks rules; `problems` holds all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class OrderForm:
    """A checked body. A field the body did not name is absent from `given`."""

    given: frozenset[str]
    side: str | None
    participant_id: uuid.UUID | None
    quantity_mw: Decimal
    price_eur_per_mwh: Decimal
    ean: str
    starts_at: datetime | None
    ends_at: datetime | None
    market_based: bool | None
    facility_type: str | None
    contract_id: str | None
    usage_fraction: Decimal | None
    expires_at: datetime | None
    meta_data: dict[str, Any] | None


_CREATE_REQUIRED = ("orderType", "participantId", "quantity", "start", "end", "price", "ean", "marketBased")
_CHANGE_REQUIRED = ("quantity", "price", "ean")
_OPTIONAL = ("facilityType", "contractId", "usageFraction", "customExpirationTime", "metaData")


def parse_new(body: bytes, *, now: datetime) -> OrderForm:
    """Return the checked body of a POST; raise `InvalidOrder` with everything that is wrong with it."""
    reader = _Reader(_json_object(body), required=_CREATE_REQUIRED, optional=_OPTIONAL)
    form = _read(reader)
    _check_period(reader, form)
    if form.starts_at is not None:
        _check_expiration(reader, form.expires_at, starts_at=form.starts_at, now=now)
    if form.market_based is False and form.facility_type is None:
        reader.refuse("FACILITY_TYPE_REQUIRED", "facilityType", _FACILITY_TYPE_MISSING)
    reader.finish()
    return form


def parse_change(body: bytes, *, starts_at: datetime, now: datetime) -> OrderForm:
    """Return the checked body of a PUT for an order that starts at `starts_at`; raise `InvalidOrder`."""
    reader = _Reader(_json_object(body), required=_CHANGE_REQUIRED, optional=(*_OPTIONAL, "marketBased"))
    form = _read(reader)
    _check_expiration(reader, form.expires_at, starts_at=starts_at, now=now)
    reader.finish()
    return form


def require_facility_type(*, market_based: bool, facility_type: str | None) -> None:
    """Raise `InvalidOrder` when a change leaves an order that is not market based without a facility type."""
    if not market_based and facility_type is None:
        raise InvalidOrder([Problem("FACILITY_TYPE_REQUIRED", _FACILITY_TYPE_MISSING, "facilityType")])


def warnings_about(ean: str) -> list[Problem]:
    """Return what is odd about an accepted EAN: published examples carry wrong check digits, so no refusal."""
    if has_valid_check_digit(ean):
        return []
    return [
        Problem(
            "EAN_CHECK_DIGIT", f"The last digit of {ean} is not its check digit: compare it with its source.", "ean"
        )
    ]


_FACILITY_TYPE_MISSING = (
    'An order with marketBased false needs the type of its facility: add facilityType, for example "B01".'
)


@dataclass(slots=True)
class _Reader:
    """Takes typed fields out of a body and collects what is wrong."""

    body: Mapping[str, Any]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in self.body.keys() - {*self.required, *self.optional}:
            self.refuse("FIELD_UNKNOWN", name, f"{name} is not a field of this request: remove it or correct its name.")
        for name in self.required:
            if self.body.get(name) is None:
                self.refuse("FIELD_REQUIRED", name, f"{name} is required: add it.")

    def refuse(self, code: str, name: str, message: str) -> None:
        self.problems.append(Problem(code, message, name))

    def take(self, name: str, kind: type[T]) -> T | None:
        """Return the field when it is there and of this JSON type."""
        value = self.body.get(name)
        if value is None:
            return None
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        self.refuse("FIELD_INVALID", name, f"{name} must be {_TYPE_NAMES[kind]}.")
        return None

    def number(self, name: str) -> Decimal | None:
        value = self.body.get(name)
        if value is None:
            return None
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return Decimal(value)
        self.refuse("FIELD_INVALID", name, f"{name} must be a number (without quotes).")
        return None

    def instant(self, name: str) -> datetime | None:
        value = self.take(name, int)
        if value is None:
            return None
        if 0 < value < _LATEST_EPOCH_MS:
            return datetime.fromtimestamp(value / 1000, UTC)
        self.refuse("FIELD_INVALID", name, f"{name} must be an instant in epoch milliseconds.")
        return None

    def checked(self, name: str, value: T | None, holds: Callable[[T], bool], code: str, message: str) -> T | None:
        """Return the value when it is absent or the rule holds; else note the error."""
        if value is None or holds(value):
            return value
        self.refuse(code, name, message)
        return None

    def finish(self) -> None:
        if self.problems:
            raise InvalidOrder(sorted(self.problems, key=lambda problem: (problem.field or "", problem.code)))


def _json_object(body: bytes) -> dict[str, Any]:
    def no_constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        document = json.loads(body, parse_float=Decimal, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidOrder([Problem("BODY_INVALID", f"The body is not JSON: {error}.")]) from error
    if not isinstance(document, dict):
        raise InvalidOrder([Problem("BODY_INVALID", "The body must be a JSON object.")])
    return document


def _read(reader: _Reader) -> OrderForm:
    quantity = reader.checked(
        "quantity", reader.number("quantity"), lambda mw: 0 < mw <= LARGEST_QUANTITY_MW, "FIELD_INVALID",
        f"quantity must be above 0 and at most {LARGEST_QUANTITY_MW} MW.",
    )  # fmt: skip
    price = reader.checked(
        "price", reader.number("price"), lambda eur: abs(eur) <= LARGEST_PRICE_EUR_PER_MWH, "FIELD_INVALID",
        f"price must lie between -{LARGEST_PRICE_EUR_PER_MWH} and {LARGEST_PRICE_EUR_PER_MWH} EUR/MWh.",
    )  # fmt: skip
    return OrderForm(
        given=frozenset(reader.body),
        side=reader.checked(
            "orderType", reader.take("orderType", str), lambda side: side in {"BUY", "SELL"}, "FIELD_INVALID",
            "orderType must be BUY or SELL.",
        ),
        participant_id=_participant_id(reader),
        quantity_mw=reader.checked(
            "quantity", quantity, lambda mw: mw == mw.quantize(QUANTITY_STEP_MW), "QUANTITY_STEP",
            "quantity must be a multiple of 0.1 MW: round it down.",
        ) or Decimal(0),
        price_eur_per_mwh=reader.checked(
            "price", price, lambda eur: eur == eur.quantize(CENT), "PRICE_STEP", "price must be in whole cents."
        ) or Decimal(0),
        ean=reader.checked(
            "ean", reader.take("ean", str), lambda ean: len(ean) == EAN_DIGITS and ean.isascii() and ean.isdigit(),
            "EAN_FORMAT", "ean must be exactly 18 digits.",
        ) or "",
        starts_at=_on_the_grid(reader, "start", "PERIOD_GRID"),
        ends_at=_on_the_grid(reader, "end", "PERIOD_GRID"),
        market_based=reader.take("marketBased", bool),
        facility_type=reader.checked(
            "facilityType", reader.take("facilityType", str), lambda text: _is_word(text, LONGEST_FACILITY_TYPE),
            "FIELD_INVALID", f"facilityType must have 1 to {LONGEST_FACILITY_TYPE} printable characters.",
        ),
        contract_id=reader.checked(
            "contractId", reader.take("contractId", str), lambda text: _is_word(text, LONGEST_CONTRACT_ID),
            "FIELD_INVALID", f"contractId must have 1 to {LONGEST_CONTRACT_ID} printable characters.",
        ),
        usage_fraction=reader.checked(
            "usageFraction", reader.number("usageFraction"), lambda share: 0 < share <= 1, "FIELD_INVALID",
            "usageFraction must be above 0 and at most 1.",
        ),
        expires_at=_on_the_grid(reader, "customExpirationTime", "EXPIRATION_GRID"),
        meta_data=_meta_data(reader),
    )  # fmt: skip


def _participant_id(reader: _Reader) -> uuid.UUID | None:
    text = reader.take("participantId", str)
    try:
        return uuid.UUID(text) if text is not None else None
    except ValueError:
        reader.refuse("FIELD_INVALID", "participantId", "participantId must be a UUID.")
        return None


def _on_the_grid(reader: _Reader, name: str, code: str) -> datetime | None:
    return reader.checked(
        name, reader.instant(name), lambda instant: ptu_start(instant) == instant, code,
        f"{name} must lie on a quarter hour: :00, :15, :30 or :45.",
    )  # fmt: skip


def _is_word(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable()


def _meta_data(reader: _Reader) -> dict[str, Any] | None:
    meta_data = reader.take("metaData", dict)
    if meta_data is None:
        return None
    if not isinstance(meta_data.get("clientOrderId", ""), str):
        reader.refuse("FIELD_INVALID", "metaData", "metaData.clientOrderId must be text.")
    try:
        text = json.dumps(meta_data, default=float, allow_nan=False, ensure_ascii=False)
        is_storable = len(text.encode()) <= LARGEST_META_DATA_BYTES and "\\u0000" not in text
    except (ValueError, RecursionError):  # numbers beyond a double, half surrogates, bottomless nesting
        is_storable = False
    if not is_storable:
        reader.refuse(
            "FIELD_INVALID", "metaData",
            f"metaData must be plain JSON of at most {LARGEST_META_DATA_BYTES} bytes, without NUL characters.",
        )  # fmt: skip
        return None
    plain: dict[str, Any] = json.loads(text)
    return plain


def _check_period(reader: _Reader, form: OrderForm) -> None:
    if form.starts_at is None or form.ends_at is None:
        return
    if form.ends_at <= form.starts_at:
        reader.refuse("PERIOD_ORDER", "end", "end must be after start.")
    elif form.ends_at - form.starts_at > LONGEST_PERIOD:
        reader.refuse("PERIOD_LENGTH", "end", "An order covers at most 100 PTUs (a day): split it.")


def _check_expiration(reader: _Reader, expires_at: datetime | None, *, starts_at: datetime, now: datetime) -> None:
    if expires_at is None:
        return
    if expires_at <= now:
        reader.refuse("EXPIRATION_PAST", "customExpirationTime", "customExpirationTime has passed.")
    if expires_at > starts_at - GATE_BEFORE_START:
        reader.refuse(
            "EXPIRATION_LATE", "customExpirationTime", "customExpirationTime must be at least 15 minutes before start."
        )
