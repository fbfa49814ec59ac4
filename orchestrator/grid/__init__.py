"""The grid: the file that users write, its cells, and the identity of each."""

__all__ = [
    "catalogue",
    "cell",
    "code",
    "dataset_warnings",
    "expand",
    "fetch_models",
    "left_out",
    "not_fetched",
    "outline",
    "schema",
    "shipped",
]
