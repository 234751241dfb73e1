"""Looks at shards from outside: does each hold what the object store and the log say?"""
