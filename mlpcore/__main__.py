"""`python -m mlpcore` prints what a bug report needs: versions, BLAS, instruction set, threads."""

from mlpcore import show_config

if __name__ == "__main__":
    show_config()
