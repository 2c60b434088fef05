"""Bodies of partners' requests: JSON or CSV, plain or gzipped, never larger than the limit once unpacked."""

import gzip
import io
import json
import zlib
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from aggregator.core.problems import Problem
from assets.validation.decoding import judged_csv, judged_json
from assets.validation.rows import rows_from_text
from assets.validation.tables import NotATable, read_table


class JsonBody(BaseParser):
    """A JSON document in UTF-8 with the rows of a batch view."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the document; the rows in it as `JudgedRows` where all is well."""
        body = _read(stream, parser_context)
        view = (parser_context or {})["view"]
        judged = judged_json(body, view.kind, view.rows_name)
        if judged is not None:
            return {view.rows_name: judged}
        try:
            return json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise Problem(
                status=400, code="not-json", detail=f"The body is not a JSON document in UTF-8: {str(error)[:200]}."
            ) from error


class CsvBody(BaseParser):
    """A table of the rows of a batch view, with their fields as columns."""

    media_type = "text/csv"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the rows as the JSON document would hold them."""
        body = _read(stream, parser_context)
        view = (parser_context or {})["view"]
        judged = judged_csv(body, view.kind)
        if judged is not None:
            return {view.rows_name: judged}
        try:
            return {view.rows_name: rows_from_text(read_table(body), view.kind)}
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
    try:
        # Also several packed parts one after the other, as parallel packers make them; never more than the limit.
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            plain = packed.read(limit + 1)
    except EOFError as error:
        raise Problem(status=400, code="not-gzip", detail="The gzip body is cut off. Send it whole.") from error
    except (OSError, zlib.error) as error:
        raise Problem(status=400, code="not-gzip", detail=f"The body is not in gzip format: {error}.") from error
    if len(plain) > limit:
        raise Problem(
            status=413,
            code="body-too-large",
            detail=f"Unpacked, the body has more than {limit} bytes. Send it in several requests.",
        )
    return plain


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
