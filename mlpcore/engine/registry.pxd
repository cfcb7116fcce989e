"""The tables of activations, losses, optimisers and kinds of input."""

# The index of a name in one of the tables, which is its number in the kernels; ValueError if there
# is no such name.
cpdef int index_of(name, names, str what) except -1
