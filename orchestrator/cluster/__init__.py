"""The Ray cluster: how to reach it, what it has room for, and the workers that it runs."""

__all__ = ["address_check", "capacity", "executor", "options", "session"]
