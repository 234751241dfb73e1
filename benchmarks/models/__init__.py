"""`make bench-models`: every model as Triton serves it, by the real perf_analyzer, beside the engine in process.

`__main__` leads through it: `subjects` (what is measured), `exported` (makes what is missing), `real_inputs`,
`measuring` (sweep, alternating rounds, poisson), `claims` and `tables`.
"""
