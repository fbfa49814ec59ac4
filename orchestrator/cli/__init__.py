"""The command ``sccbench``."""
