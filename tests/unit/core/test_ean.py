import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean as oracle

from aggregator.core.ean import Ean13, Ean18, InvalidEan, check_digit, has_valid_check_digit

PUBLISHED = "871685900012636543"  # the example of the UFTP specification


def test_a_published_code_is_valid_and_stays_text():
    assert Ean18(PUBLISHED) == PUBLISHED
    assert isinstance(Ean18(f" {PUBLISHED} "), str)


@pytest.mark.parametrize("code", ["8716916000004", "8712423014022", "8716871000002", "8716892000005", "8716878999996"])
def test_the_codes_of_dutch_grid_operators_are_valid(code):
    assert Ean13(code) == code


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("871685920001768800", "its last digit is 0, the check digit of the other 17 is 2"),
        ("87168590001263654", "give exactly 18 digits"),
        ("8716859000126365430", "give exactly 18 digits"),
        ("87168590001263654x", "give exactly 18 digits"),
        ("٨٧١٦٨٥٩٠٠٠١٢٦٣٦٥٤٣", "give exactly 18 digits"),
        (871685900012636543, "as text"),
    ],
)
def test_a_wrong_code_says_what_is_wrong(text, says):
    with pytest.raises(InvalidEan, match=says):
        Ean18(text)


def test_a_received_code_is_judged_without_raising():
    assert has_valid_check_digit(PUBLISHED)
    assert not has_valid_check_digit("871685920001768800")
    assert not has_valid_check_digit("")


@given(st.text("0123456789", min_size=17, max_size=17))
def test_the_check_digit_agrees_with_an_independent_implementation(body):
    assert str(check_digit(body)) == oracle.calc_check_digit(body)
    assert Ean18.from_body(body)[:-1] == body
