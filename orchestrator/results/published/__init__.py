"""Published numbers, as data that ships with the package, and what is measured beside them."""

from orchestrator.results.published.tables import PublishedNumber, PublishedTables, load_published, shipped

__all__ = ["PublishedNumber", "PublishedTables", "comparison", "load_published", "shipped"]
