"""Bytes that were good until a few stretches of them were replaced, to try readers with."""

from hypothesis import strategies as st


@st.composite
def damaged(draw, originals):
    """An original with a few stretches of bytes replaced."""
    body = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(body)
