"""Why the threads stopped early: what they tell beside the team's stop flag."""

cdef enum Status:
    OK
    NON_FINITE                # a number in the rows is NaN, infinite or too large for the dtype
    NO_ROOM                   # more nonzeros than the buffers hold
    NO_CODE                   # a number that is not in the lookup table
