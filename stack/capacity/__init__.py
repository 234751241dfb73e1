"""What so many items, documents and searches need, from the code's own formulae and measured constants."""
