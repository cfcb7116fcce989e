"""The compiled part: the only folder with arithmetic in it. Its `.pxd` files are public.

From the outside in; each module uses only those below it:

- `trainer`: epochs of minibatches, and the gradient of all rows
- `evaluation`, `online`, `norms`, `step`: loss and hits of many rows; minibatches of one row; what
  needs a whole gradient or a whole unit; a step over a minibatch in two phases
- `network`: layers, parameters, the way forward
- `inputs`: what the first layer reads; rows in the form that the caller has them
- `team`: threads, barriers, and BLAS held at one thread
- `activations`, `losses`, `optimizers`, `dropout`: entry points; the functions themselves are the
  headers of the same names in `simd/`
- `registry`: the tables of activations, losses, optimisers and kinds of input, which those headers
  define, and all that is known of each
- `kernels`: the engine's own loops over matrices in the cache
- `blas`: the one place that calls BLAS, row-major
- `typedefs`: the fused type of all of them
- `simd/`: C headers, compiled once for each instruction set and real type; `each.h` says how
"""
