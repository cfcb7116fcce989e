"""Loss and hits of many rows, with the parameters as they are."""

from mlpcore.engine.inputs cimport Input
from mlpcore.engine.losses cimport TargetRows
from mlpcore.engine.network cimport Network
from mlpcore.engine.step cimport Plan
from mlpcore.engine.team cimport Team

# The losses of all rows summed up (0 unless they are wanted), and the rows predicted right.
cdef evaluate_rows(Plan* plan, Network network, Team team, Input rows, TargetRows targets,
                   bint wanted)
