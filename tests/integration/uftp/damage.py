"""Bytes for the door: anything, and messages that were good until a few stretches of bytes were replaced."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bidding.markets.uftp.codec import serialise
from tests.conformance.uftp.samples import SAMPLES
from tests.integration.uftp.operator_side import sealed

bounded = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
whole = st.sampled_from([sealed(sample) for sample in SAMPLES])
documents = st.sampled_from([serialise(sample) for sample in SAMPLES])


@st.composite
def damaged(draw, originals):
    """An original with a few stretches of bytes replaced."""
    body = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(body)


any_bytes = st.binary(max_size=300) | damaged(whole)
any_documents = damaged(documents)
