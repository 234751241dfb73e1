"""The `trireme` command: one file a sub-command, each loaded only when it is asked for."""
