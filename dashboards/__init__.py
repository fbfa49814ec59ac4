"""Turns measured results into a folder of pages that opens without a network."""
