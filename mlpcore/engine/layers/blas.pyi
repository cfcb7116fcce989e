"""Nothing in here is for Python; see the .pxd."""
