"""The command ``sccbench``."""

__all__ = ["options", "run"]
