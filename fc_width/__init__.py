"""Train a small CNN over many widths of the layer before its classifier. Plots nothing.

Its modules:

- What is trained: `data` (with `formats`), `backbone`, `losses` (with `w_softmax`, `simplex_head`, `checks`),
  `baselines`, `loss_names`; `recipes` say all of a run.
- One run: `train` takes the steps of `step` (on CUDA with `fused`, `fused_layer`, `fused_convolution`, on a CPU with
  `fused_norm`; on images that `augment` has moved, if the recipe says so), measures `geometry`, and makes a `record`
  with its `provenance`; `checkpoint` has the state of an unfinished one.
- Many: `engine` runs them on this machine, `cluster` on Ray, both with `worker`; `store` keeps the records;
  `company` says which belong together; `gpu_errors` tells what went wrong.
- Command lines: `sweep` (with `options`, `progress`, `report`) and `benchmark`, with `benchmark_losses`,
  `benchmark_sweep`, `benchmark_cost`, `benchmark_profile`, `benchmark_step`, `benchmark_training` and
  `benchmark_timing`.

To add a loss, write it in `losses` or `baselines`, name it in `loss_names`, and how a reader is told of it in
`analysis.captions`. To add a data set, load it in `data`, and give it a recipe in `recipes`.
"""

from theory import console

console.begin()
