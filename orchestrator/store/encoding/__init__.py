"""Conversion of the program's objects to rows of the tables, and back."""
