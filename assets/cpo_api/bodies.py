"""Bodies of partners' requests: JSON or CSV, plain or gzipped, never larger than the limit once unpacked."""

import json
import zlib
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from aggregator.core.problems import Problem
from assets.validation import kinds
from assets.validation.rows import rows_from_text
from assets.validation.tables import NotATable, read_table

GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS


class JsonBody(BaseParser):
    """A JSON document in UTF-8."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the document."""
        body = _read(stream, parser_context)
        try:
            return json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise Problem(
                status=400, code="not-json", detail=f"The body is not a JSON document in UTF-8: {str(error)[:200]}."
            ) from error


class MeterValueTable(BaseParser):
    """A table of meter values; read into the same rows as their JSON."""

    media_type = "text/csv"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the rows as the JSON document would hold them."""
        body = _read(stream, parser_context)
        try:
            return {"values": rows_from_text(read_table(body), kinds.METER_VALUE)}
        except NotATable as error:
            raise Problem(status=400, code="not-csv", detail=str(error)) from error


def _read(stream: IO[bytes], parser_context: Mapping[str, Any] | None) -> bytes:
    encoding = (parser_context or {})["request"].headers.get("Content-Encoding", "identity").lower()
    body = stream.read()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise Problem(status=415, code="unknown-encoding", detail=f"{encoding} is not read here. Send gzip, or plain.")
    limit = settings.REQUEST_BODY_LIMIT_BYTES
    unpacker = zlib.decompressobj(GZIP_WINDOW_BITS)
    try:
        plain = unpacker.decompress(body, limit)
    except zlib.error as error:
        raise Problem(status=400, code="not-gzip", detail=f"The body is not in gzip format: {error}.") from error
    if unpacker.unconsumed_tail:
        raise Problem(
            status=413,
            code="body-too-large",
            detail=f"Unpacked, the body has more than {limit} bytes. Send it in several requests.",
        )
    if not unpacker.eof:
        raise Problem(status=400, code="not-gzip", detail="The gzip body is cut off. Send it whole.")
    return plain


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
