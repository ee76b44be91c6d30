"""The one error that raw data raise."""


class DataError(ValueError):
    """The raw data are missing or not what was declared; the message says where and what is allowed."""
