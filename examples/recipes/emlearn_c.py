"""emlearn turns a network into C for microcontrollers.

pip install "mlpcore[sklearn]" emlearn
"""

import emlearn
import numpy as np

from mlpcore import load_digits
from mlpcore.sklearn import MLPClassifier

X, y = load_digits()
clf = MLPClassifier((20,), learning_rate="one_cycle", max_iter=30, random_state=1)
clf.fit(X[:1400], y[:1400])

# From scikit-learn's own estimator. "inline" also runs the C code here, to compare.
device = emlearn.convert(clf.to_sklearn(), method="inline", dtype="float")
same = np.mean(device.predict(X[1400:]) == clf.predict(X[1400:]))
code = device.save(file="digits.h", name="digits")
print(f"{len(code.splitlines())} lines of C, which agree on {same:.1%} of the rows")
