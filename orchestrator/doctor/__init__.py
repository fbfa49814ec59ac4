"""Checks of this machine and of a user's data, before anything is measured."""

__all__ = ["dataset", "environment"]
