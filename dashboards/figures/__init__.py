"""One module per figure; each turns a study and a threat model into a deck, or None where there is nothing to draw."""

__all__ = ["captions", "curves", "heatmap", "side_by_side", "tradeoff"]
