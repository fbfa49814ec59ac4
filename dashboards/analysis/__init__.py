"""The results of a site, cleaned, pooled and compared."""

__all__ = ["aggregate", "comparable", "provenance", "published", "study"]
