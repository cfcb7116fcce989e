"""skops keeps whole pipelines in files from which loading runs no code that was not named.

pip install "mlpcore[sklearn]" skops
"""

import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlpcore import load_digits
from mlpcore.sklearn import MLPClassifier

X, y = load_digits()
clf = MLPClassifier(learning_rate="one_cycle", learning_rate_init=0.01, max_iter=15, random_state=1)
model = make_pipeline(StandardScaler(), clf).fit(X[:1400], y[:1400])
# As scikit-learn's own estimator, which skops knows: the file needs no mlpcore to be read.
model.steps[-1] = ("mlpclassifier", model[-1].to_sklearn())
skops.io.dump(model, "digits.skops")

# skops does not know the optimiser's state, which partial_fit goes on from. Look before you trust.
unknown = skops.io.get_untrusted_types(file="digits.skops")
print("To be trusted:", ", ".join(unknown))
again = skops.io.load("digits.skops", trusted=unknown)
print(f"{again.score(X[1400:], y[1400:]):.1%}; back in mlpcore:", end=" ")
back = MLPClassifier.from_sklearn(again[-1])
print(f"{back.score(again[:-1].transform(X[1400:]), y[1400:]):.1%}")
