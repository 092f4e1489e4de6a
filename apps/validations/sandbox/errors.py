"""What can go wrong with a model, each said as a sentence a person can act on."""


class SandboxError(Exception):
    """Base of all. `str(error)` is a sentence for the page, the API and the run's record."""


class ModelRefused(SandboxError):
    """The file is not a model we run: wrong format, forbidden content, or it does not load."""


class ModelInputMismatch(SandboxError):
    """The model asks for columns that the data do not have, or of another type.

    missing: the column names the model wants and the data lack.
    """

    def __init__(self, sentence: str, missing: list[str] | None = None):
        super().__init__(sentence)
        self.missing = missing or []


class ModelTimedOut(SandboxError):
    """The processor or the clock limit was reached."""


class ModelOutOfMemory(SandboxError):
    """The memory limit was reached."""


class ModelFailed(SandboxError):
    """The model loaded and then broke, or gave output that cannot be read."""
