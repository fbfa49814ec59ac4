"""Published numbers, as data in the package, and their comparison with measured ones."""

from orchestrator.results.published.tables import load_published, shipped

__all__ = ["comparison", "load_published", "shipped"]
