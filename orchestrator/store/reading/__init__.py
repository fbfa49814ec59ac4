"""What is read from the database: cells, runs, outcomes, and any query, as Polars frames."""
