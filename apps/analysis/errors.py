"""What a computation says when the data do not allow it."""

from __future__ import annotations


class InputError(ValueError):
    """The data cannot be analysed as asked; `str(error)` is one plain sentence for the person who asked."""


class ReadError(InputError):
    """The file itself cannot be read as a table."""
