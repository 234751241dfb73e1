"""HTTP: parse, call a flow, answer. Nothing here decides anything about search or documents."""
