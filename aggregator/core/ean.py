"""EAN codes: the 18-digit code of a connection or group, and the 13-digit code of a market party.

The check digit is enforced on codes we register ourselves. Codes received from others are only warned about
(`has_valid_check_digit`), because published examples of other systems carry wrong ones.
"""

from typing import Self


class InvalidEan(ValueError):
    """The text is not an EAN of the wanted length with a correct check digit."""


def check_digit(body: str) -> int:
    """Return the GS1 check digit of `body` (the digits before it): weights 3, 1, 3 … from the right.

    >>> check_digit("87168590001263654")
    3
    """
    weighted = sum(int(digit) * (3 if position % 2 == 0 else 1) for position, digit in enumerate(reversed(body)))
    return -weighted % 10


class _Ean(str):
    """A digit string of fixed length that ends in its check digit."""

    __slots__ = ()
    length: int

    def __new__(cls, text: str) -> Self:
        """Return the code, or raise `InvalidEan` saying what is wrong with `text` and how to fix it."""
        digits = text.strip() if isinstance(text, str) else text
        if not isinstance(digits, str) or not digits.isascii() or not digits.isdigit() or len(digits) != cls.length:
            raise InvalidEan(
                f"{text!r} is not an EAN-{cls.length}: give exactly {cls.length} digits, as text (numbers lose zeros)."
            )
        expected = check_digit(digits[:-1])
        if int(digits[-1]) != expected:
            raise InvalidEan(
                f"{digits} is not an EAN-{cls.length}: its last digit is {digits[-1]}, the check digit of the other "
                f"{cls.length - 1} is {expected}. Compare the code with its source; a digit was probably mistyped."
            )
        return super().__new__(cls, digits)

    @classmethod
    def from_body(cls, body: str) -> Self:
        """Return the code for `body`, the digits without their check digit."""
        if not body.isascii() or not body.isdigit() or len(body) != cls.length - 1:
            raise InvalidEan(f"{body!r} is not the body of an EAN-{cls.length}: give exactly {cls.length - 1} digits.")
        return cls(f"{body}{check_digit(body)}")


class Ean18(_Ean):
    """The code of a connection, an allocation point or an aggregation group.

    >>> Ean18("871685900012636543")
    '871685900012636543'
    """

    __slots__ = ()
    length = 18


class Ean13(_Ean):
    """The code of a market party (grid operator, BRP, supplier).

    >>> Ean13("8716871000002")
    '8716871000002'
    """

    __slots__ = ()
    length = 13


def has_valid_check_digit(digits: str) -> bool:
    """Tell whether a received digit string ends in its check digit; never raises on digit strings."""
    return digits.isascii() and digits.isdigit() and len(digits) > 1 and int(digits[-1]) == check_digit(digits[:-1])
