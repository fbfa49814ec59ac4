"""Procedural phantoms: images that look somewhat medical and have no clinical content at all."""
