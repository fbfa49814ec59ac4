"""A run from its start to its end: its preparation, its driver, its progress, and where results go."""

__all__ = ["api", "display", "driver", "library", "progress", "provenance", "result_handler", "verify"]
