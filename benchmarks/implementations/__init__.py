"""One module per implementation. Each has

    settings(task, threads)        the ways to use the library; a short trial picks the fastest
    ACTIONS                        {"fit": class, "predict": class}; what it can run

and each of the classes has

    __init__(task, data, setting)  prepares everything and may compile; never timed
    run(n)                         timed: a fit of n epochs, or n times all predictions; or it
                                   returns its own measurement, which then counts instead
    outcome()                      the result of the last run, {"cost": ..., "valid_acc": ...};
                                   compared with that of the reference before any times are
"""
