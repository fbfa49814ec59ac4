"""Datasets that need no download: scenes, digits, photographs and phantoms, rendered when they are asked for."""
