"""Takes documents with their vectors out of an index and brings them in, as Parquet files."""
