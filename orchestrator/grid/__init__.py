"""The grid: the file that users write, its cells, and the identity of each."""

__all__ = [
    "catalogue",
    "cell",
    "code",
    "expand",
    "fetch_models",
    "left_out",
    "not_fetched",
    "schema",
    "shipped",
]
