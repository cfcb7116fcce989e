"""How a step is partitioned: functions for Python; see the .pyi."""
