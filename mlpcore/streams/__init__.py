"""Data larger than memory: read in pieces, in a two-level order, and learnt from.

It knows the engine and no facade. `source` reads rows of a file or an array-like, `blocks` has the
two-level order, `reader` fills buffers ahead of the engine, and `stream` trains and evaluates on
them.
"""
