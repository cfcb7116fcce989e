"""Why the threads stopped early, which the team's stop flag alone does not tell."""

cdef enum Status:
    OK
    NON_FINITE                # a number in the rows is NaN, infinite or too large for the dtype
    BUFFER_FULL               # there are more nonzeros than the buffers hold
    NOT_IN_TABLE              # a number is not in the lookup table
