"""How every page looks: colours, marks, axes, words and numbers."""

__all__ = ["deck", "outlines", "palette", "theme", "words"]
