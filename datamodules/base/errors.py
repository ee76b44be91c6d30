"""The error raised for raw or encoded data."""


class DataError(ValueError):
    """Data are missing, damaged or not as declared; the message says where and what is expected."""
