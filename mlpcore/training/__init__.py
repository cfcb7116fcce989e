"""The training loop of every facade, which depends on none of them.

- `run`: order of the rows, epoch, metrics, early stopping, snapshot, and checkpoint
- `averaging`: the average of the weights, over steps or over epochs
- `schedules`: learning rates from epoch to epoch and from step to step
- `stopping`: the best metric so far, and how long ago it was
- `class_weight`: weights of rows, and of their classes
- `checkpoint`, `snapshot`: the file of a run, and the forms in which it stores arrays
- `progress`, `interrupts`: the bar, and SIGTERM
"""
