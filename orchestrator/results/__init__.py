"""What is computed from stored results: metrics of cells, comparisons, badges, and published numbers beside them."""

__all__ = ["badges", "cell_metrics", "comparisons", "published", "sample_outcomes"]
