"""The third source of candidates: items that hold the words, and above all the identifiers, of a query."""
