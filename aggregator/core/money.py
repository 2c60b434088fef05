"""Exact money: decimals with a currency, rounded once, split without losing a cent."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

CENT = Decimal("0.01")


class CurrencyMismatch(ValueError):
    """Two amounts in different currencies were combined."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency; positive is owed to the receiver named by the context."""

    amount: Decimal
    currency: str = "EUR"

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"An amount is a Decimal, not {type(self.amount).__name__}: write Decimal('12.34').")

    def _same_currency(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"Cannot combine {self.currency} with {other.currency}: convert one of them first.")

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount - other.amount, self.currency)

    def rounded(self) -> "Money":
        """Return the amount on whole cents, halves to even."""
        return Money(self.amount.quantize(CENT, ROUND_HALF_EVEN), self.currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def price_text(price: Decimal) -> str:
    """Return a price as text that can be calculated with: exact, with two decimals at least.

    >>> price_text(Decimal("180.00000000")), price_text(Decimal("180.00333333"))
    ('180.00', '180.00333333')
    """
    in_cents = price.quantize(CENT)
    return str(in_cents) if in_cents == price else f"{price.normalize():f}"


def split_exactly(total: Decimal, weights: Sequence[Decimal], *, quantum: Decimal = CENT) -> list[Decimal]:
    """Split `total` by `weights` into multiples of `quantum` that add up to it exactly (largest remainder).

    Equal remainders go to the earlier weight. All-zero weights split evenly. Raises `ValueError` when `total` is no
    multiple of `quantum`, a weight is negative, or there is nothing to split over.

    >>> split_exactly(Decimal("10.00"), [Decimal(1), Decimal(1), Decimal(1)])
    [Decimal('3.34'), Decimal('3.33'), Decimal('3.33')]
    """
    if not weights:
        raise ValueError(f"Cannot split {total}: there are no shares to split it over.")
    if any(weight < 0 for weight in weights):
        raise ValueError("Cannot split by a negative weight: separate what is owed from what is due first.")
    if total % quantum:
        raise ValueError(f"Cannot split {total} into steps of {quantum}: round the total first.")
    if not any(weights):
        weights = [Decimal(1)] * len(weights)
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    parts = [share.quantize(quantum, ROUND_FLOOR) for share in exact]
    left = int((total - sum(parts)) / quantum)
    by_remainder = sorted(range(len(weights)), key=lambda index: (parts[index] - exact[index], index))
    for index in by_remainder[:left]:
        parts[index] += quantum
    return parts
