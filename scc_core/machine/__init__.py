"""This machine's folders, files, locks and settings, and downloads onto it."""
