"""Files of other tools as evidence: read safely, or refused with a sentence that names the place.

Pure: bytes in, plain data out. No Django, no network, no entity is ever expanded, nothing of a file is executed.
"""

from apps.verification.parsers.found import FORMATS, KINDS, Unreadable
from apps.verification.parsers.reading import parse

__all__ = ["FORMATS", "KINDS", "Unreadable", "parse"]
