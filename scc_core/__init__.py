"""The core: models, datasets, attacks, defenses and their evaluation, without Ray, database or dataframe."""
