"""Demonstration models and datasets that need no download: rendered images and small models trained on them.

They show the phenomenon and exercise the system; they stand for no published number.
"""
