"""From a dataset's files to batches of pixels: decoded, resized, kept in memory and on disk."""
