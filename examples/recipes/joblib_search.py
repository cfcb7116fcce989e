"""A search on joblib's workers: a process for each core of this machine, each on one thread.

pip install "mlpcore[sklearn]"
"""

from sklearn.model_selection import GridSearchCV

from mlpcore import load_digits
from mlpcore.sklearn import MLPClassifier

X, y = load_digits()
search = GridSearchCV(
    MLPClassifier(learning_rate="one_cycle", max_iter=15, random_state=1),
    {"learning_rate_init": [0.001, 0.01], "hidden_layer_sizes": [20, 50]},
    cv=3,
    n_jobs=2,
)

if __name__ == "__main__":
    search.fit(X, y)
    print(f"{search.best_score_:.1%} with {search.best_params_}")
