"""JSON as the interface takes it: what cannot be read is the sender's error (400), never ours."""

from __future__ import annotations

import json
import math
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StrictJSON(JSONParser):
    """RFC 8259 in UTF-8: no NaN or Infinity, no number beyond a double, no nesting past the reader's depth."""

    def parse(self, stream, media_type=None, parser_context=None) -> Any:
        try:
            return json.loads(stream.read().decode(), parse_float=_finite, parse_constant=_finite)
        except RecursionError:
            raise ParseError("JSON parse error: nested too deeply.") from None
        except ValueError as error:  # JSON, UTF-8 and digits beyond Python's limit alike
            raise ParseError(f"JSON parse error: {error}") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is not a number JSON can hold.")
    return number
