"""The HTTP door of Trireme: app -> routes | clients | settings -> flows -> core.

Searches and answers go through here, and documents come in. Knows nothing of Faiss, of the insides of models or
of file formats; what draws pages of documents does so in processes of its own.
"""
