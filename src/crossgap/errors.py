"""The three exceptions of crossgap; everything else is a plain ``ValueError``, ``TypeError`` or ``OSError``.

Every message is one sentence that says what was given, what was expected, and how to mend it::

    ValueError
    ├── DegenerateError     the input is well formed but the quantity has no value on it
    └── FormatError         a file does not hold what its name or its layout promises
    ImportError
    └── MissingExtraError   an optional package is needed; the message names the extra to install
"""

__all__ = ["DegenerateError", "FormatError", "MissingExtraError"]


class DegenerateError(ValueError):
    """The input is well formed, but the quantity has no value on it: too few rows, no spread, nothing that pairs."""


class FormatError(ValueError):
    """A file cannot be read as what its name or its layout promises."""


class MissingExtraError(ImportError):
    """An optional package is needed; the message names the extra that brings it."""
