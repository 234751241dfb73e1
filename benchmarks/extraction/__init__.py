"""How well texts come out of files: error rates of characters and, for scans, of words."""
