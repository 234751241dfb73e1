"""What every Trireme process agrees on: errors, messages, topics, joint-vector maths, tensors, status.

Pure: no I/O, no clock, no environment, no framework. Time and randomness arrive as arguments.
"""
