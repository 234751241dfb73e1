"""Pure functions and values of the gateway: no I/O, no clock of their own, no framework."""
