"""Demonstration models that need no download: this project trained small models on rendered images.

They show the phenomenon and exercise the system; they stand for no published number.
"""
