"""This machine's folders, files and locks."""
