"""One module per contestant. Each has

    settings(task, threads)        the ways to use the library; a short trial picks the fastest
    ACTIONS                        {"fit": class, "predict": class}; what it takes part in

and each of the classes has

    __init__(task, data, setting)  makes everything ready and may compile; never timed
    run(n)                         timed: a fit of n epochs, or n times all predictions; or it
                                   returns a measurement of its own, which then counts instead
    outcome()                      what came of the last run, {"cost": ..., "valid_acc": ...};
                                   compared with the reference's before any time is
"""
