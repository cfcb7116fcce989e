"""Random words by number (Salmon et al., SC 2011)."""

import numpy as np


def philox(c0, c1, c2, c3, key):
    """The four words of Philox4x32-10: one more round than there are new keys."""
    key_0, key_1, low = key & 0xFFFFFFFF, key >> 32, 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ key_0, b & low, (a >> 32) ^ c3 ^ key_1, a & low
        key_0, key_1 = (key_0 + 0x9E3779B9) & low, (key_1 + 0xBB67AE85) & low
    return np.array([c0, c1, c2, c3], np.uint32)
