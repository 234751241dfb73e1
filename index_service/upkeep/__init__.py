"""Looking after an index from outside its processes: compare, export, import. What `trireme index` runs."""
