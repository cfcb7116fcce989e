"""The compiled part: the only folder with arithmetic in it. Its `.pxd` files are public.

From the outside in; each module uses only those below it:

- `trainer`: epochs of minibatches, and the gradient of all rows
- `evaluation`, `online`, `norms`, `step`: loss and hits of many rows; minibatches of one row; what
  needs a whole gradient or a whole unit; a step over a minibatch in two phases
- `network`: layers, parameters, the way forward
- `inputs`: what the first layer reads; rows in the form that the caller has them
- `packing`: dense rows to packed sparse rows
- `team`: threads, barriers, and BLAS held at one thread
- `activations`, `losses`, `optimizers`, `dropout`: names and entry points; the functions
  themselves are the headers of the same names in `simd/`, and that is where a new one goes
- `status`: why threads stopped early
- `kernels`: the engine's own loops over matrices in the cache
- `blas`: the one place that calls BLAS, row-major
- `typedefs`: the fused type of all of them
- `simd/`: C headers, compiled once for each instruction set and real type; `each.h` says how
"""
