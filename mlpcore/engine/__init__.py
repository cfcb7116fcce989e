"""The compiled part: the only folder with arithmetic in it. Its `.pxd` files are public.

From the outside in; each module uses only those that come after it:

- `objective`: loss and gradient of all rows
- `trainer`: epochs of minibatches
- `evaluation`: loss and correct predictions of many rows
- `online`, `clipping`: minibatches of one row; what needs a full gradient or a whole unit
- `step`: forward pass, backward pass and update of a minibatch, in two phases
- `network`: sizes and parameters, weights in and out
- `prediction`: of many rows, and of one row
- `blocks`: the forward pass of many rows, block by block
- `layers/blas`, `layers/dense`, `layers/sparse`: one layer of each kind
- `layers/updates`, `layers/units`: what becomes of a gradient; activations and derivatives
- `plan`: all that the threads need to know to train: rule, layout, workspace, progress
- `layout`: the layers of a network, and where everything of them lies in memory
- `dropout`, `losses`, `optimizers`, `activations`: entry points; the functions themselves are the
  headers of the same names in `simd/`
- `inputs`: what the first layer reads; rows in the form that the caller has them
- `packing`: dense rows to packed sparse rows
- `registry`: the tables of activations, losses, optimisers and kinds of input, which headers in
  `simd/` define, and all that is known of each
- `status`: why the threads stopped early
- `blas_threads`: BLAS held at one thread, in plain Python
- `team`: threads and barriers; `threads/team.h` and `threads/start.h` are their C part
- `kernels`: the engine's own loops over matrices in the cache
- `blas`: the one place that calls BLAS, row-major; `threads/fork_gate.h` keeps forks out of it
- `memory`: arrays on cache lines, and an arena that reserves them by name
- `blocking`: every block size, with its unit and its reason
- `typedefs`: the fused type of all of them

`simd/` has C headers, compiled once for each instruction set and real type; `each.h` says how.
"""
