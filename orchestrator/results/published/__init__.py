"""Published numbers, as data in the package, and their comparison with measured ones."""

from orchestrator.results.published.tables import PublishedNumber, PublishedTables, load_published, shipped

__all__ = ["PublishedNumber", "PublishedTables", "comparison", "load_published", "shipped"]
