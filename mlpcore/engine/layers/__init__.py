"""One layer's forward pass, backward pass and update, for each kind of layer.

- `dense`: the engine's own kernels, for weights that fit in the cache
- `blas`: BLAS, for weights that do not
- `sparse`: the first layer, where rows are packed
- `units`: activations and their derivatives, for all kinds
- `updates`: the optimiser's step with the gradient of some weights, for all kinds
"""
