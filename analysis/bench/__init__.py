"""How fast is it? `python -m analysis.bench` prints tables and writes analysis/results/bench.json.

Ratios are measured side by side: the two contenders take turns in one process, medians are compared, so that a
machine that is busy with other things distorts them little (times it does distort: see `load_before`). Each part
runs in a process of its own, so that its peak memory is its own. All takes some 7 minutes on two quiet cores,
`--quick` two; `--parts` chooses. The plain loop is `diffusion.ddim` over the published network, which recomputes
everything at every step, 32 queries at a time (its fastest way on a CPU).
"""
