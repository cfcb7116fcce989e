"""The compiled part: the only folder with arithmetic in it. Its `.pxd` files are public.

From the outside in; each module uses only those that come after it:

- `objective`: loss and gradient of all rows
- `partition`: how a trainer's steps are partitioned among threads and into sums
- `sharded`: epochs of minibatches whose gradients are summed over shards of rows, in one process
  or several
- `trainer`: epochs of minibatches
- `rounds`: the steps of an epoch, by numbers of threads that may change in between
- `evaluation`: loss and correct predictions of many rows
- `online`, `clipping`: minibatches of one row; clipping by the global norm, and max-norm
- `averaging`: the average of the parameters over steps
- `step`: forward pass, backward pass and update of a minibatch, in two phases
- `network`: sizes and parameters, which can be read and set
- `prediction`: prediction of many rows, and of one row
- `blocks`: the forward pass of many rows, block by block
- `layers/blas`, `layers/dense`, `layers/sparse`: one layer of each kind
- `layers/updates`, `layers/units`: the optimiser's step on a block; activations and derivatives
- `plan`: all that the threads need for training: rule, layout, workspace, progress
- `layout`: the layers of a network, and where their parts lie in memory
- `distortion`: random distortions of images, while rows are read; the loops are in
  `simd/distortion.h`
- `dropout`, `losses`, `optimizers`, `activations`: entry points; the functions themselves are the
  headers of the same names in `simd/`
- `inputs`: what the first layer reads: dense rows of the caller, or packed sparse rows
- `packing`: dense rows to packed sparse rows (CSR of X - background)
- `registry`: the tables of activations, losses, optimisers and kinds of input, which headers in
  `simd/` define
- `status`: why the threads stopped early
- `blas_threads`: BLAS held at one thread, in plain Python
- `async_call`: a Python function in another thread of the system's, while the caller goes on
- `team`: threads and barriers; `threads/team.h` and `threads/start.h` are their C part
- `per_layer`: parameters of which each layer may have its own number, in plain Python
- `team_size`: how many threads work, found out while they work, in plain Python
- `kernels`: the engine's own loops over matrices in the cache
- `blas`: the only module that calls BLAS, row-major; `threads/fork_gate.h` keeps forks out of it
- `memory`: arrays on cache lines, and an arena that reserves them by name
- `blocking`: every block size, with its unit and its reason
- `typedefs`: the fused type `real_t`

`simd/` has the C headers of the kernels, compiled once for each instruction set and real type;
`each.h` says how. `docs/architecture.md` explains the whole, with a glossary.
"""
