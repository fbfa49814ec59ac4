"""The command ``sccbench``."""

__all__ = ["exit_status", "options", "run"]
