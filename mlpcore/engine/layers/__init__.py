"""One layer's forward pass, backward pass and update, for each kind of layer.

- `dense`: the engine's own kernels, for weights that fit in the cache
- `blas`: BLAS, for weights that do not
- `sparse`: the first layer, where rows are packed
- `units`: what all kinds have in common: activations and their derivatives
- `updates`: what becomes of the gradient of some weights
"""
