"""The Ray cluster: how a driver connects to it, how many workers it has slots for, and how workers are run."""

__all__ = ["address_check", "capacity", "executor", "options", "session"]
