"""Images per second of models, attacks and defenses, beside the arithmetic that they take."""
