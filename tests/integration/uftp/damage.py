"""Bytes for the door: anything, and messages that were good until they were damaged."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bidding.markets.uftp.codec import serialise
from tests.conformance.uftp.samples import SAMPLES
from tests.damaged import damaged
from tests.integration.uftp.operator_side import sealed

bounded = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
whole = st.sampled_from([sealed(sample) for sample in SAMPLES])
documents = st.sampled_from([serialise(sample) for sample in SAMPLES])
any_bytes = st.binary(max_size=300) | damaged(whole)
any_documents = damaged(documents)
