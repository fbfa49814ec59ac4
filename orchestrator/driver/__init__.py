"""A run from its start to its end: the driver, its progress, and where results go."""

__all__ = ["driver", "progress", "provenance"]
