"""What activations, losses, optimisers and kinds of input there are; see the .pyx."""

# Index of a name in one of the tables, which is how the kernels know it; ValueError for another.
cpdef int index_of(name, names, str what) except -1
