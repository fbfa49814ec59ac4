"""The training of the demonstration models, and the measurement of their cards."""
