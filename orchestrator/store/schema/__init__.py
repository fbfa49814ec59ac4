"""The tables and views of the database, and the migrations that make them."""
