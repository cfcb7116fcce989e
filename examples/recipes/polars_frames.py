"""Data frames of polars go into fit and predict, which compare the columns' names.

pip install "mlpcore[sklearn]" polars
"""

import polars as pl
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlpcore import NeuralNetMLP
from mlpcore.sklearn import MLPClassifier

data = load_iris()
names = [name.removesuffix(" (cm)").replace(" ", "_") for name in data.feature_names]
frame = pl.DataFrame(data.data, schema=names).with_columns(
    species=pl.Series(data.target_names[data.target])
)
X, y = frame.drop("species"), frame["species"]

clf = make_pipeline(StandardScaler(), MLPClassifier(solver="lbfgs", random_state=1))
clf.set_output(transform="polars").fit(X, y)
print(f"{clf.score(X, y):.1%}, from the columns {', '.join(clf.feature_names_in_)}")

nn = NeuralNetMLP(n_hidden=10, eta=0.01, epochs=100, minibatch_size=10, seed=1).fit(X, y)
try:
    nn.predict(X.select(reversed(X.columns)))
except ValueError as error:
    print(error)
