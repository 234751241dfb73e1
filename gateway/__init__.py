"""The HTTP door of Trireme: app -> routes | clients | settings -> flows -> core.

Searches and answers go through here, and documents come in. Knows nothing of Faiss, models' insides or files' formats.
"""
