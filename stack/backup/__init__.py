"""Backups: documents, items, statuses and the index's generations, taken while all goes on, restored anywhere.

A backup is a consistent cut: every document is in it as one of its versions, whole; what was being worked on is
named and announced anew by the restored stack. Snapshots, models and secrets are not in it (docs/backup.md).
"""
