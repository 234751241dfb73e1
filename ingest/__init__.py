"""Workers that turn files into joint items: two embedders, the joint updater, and the doors for files."""
