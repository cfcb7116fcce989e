"""Early stopping, against what the history of a run without it says should have happened."""

import numpy as np
import pytest

from mlpcore import NeuralNetMLP, load_digits

X, Y = load_digits()
DATA = (X[:300], Y[:300], X[300:400], Y[300:400])
FAST = {"n_hidden": 9, "l2": 0.01, "minibatch_size": 20, "seed": 1}
JUMPY = 0.4  # an eta with which the cost goes up and down
EPOCHS = 30


def model(**keywords):
    return NeuralNetMLP(**{**FAST, "epochs": EPOCHS, "eta": JUMPY, **keywords})


@pytest.fixture(scope="module")
def history():
    return model().fit(*DATA).eval_


def expected(figures, patience, better):
    """Evaluations made, and which of them was the best, from 1."""
    best = 0
    for i, figure in enumerate(figures):
        if better(figure, figures[best]):
            best = i
        if i - best >= patience:
            return i + 1, best + 1
    return len(figures), best + 1


@pytest.mark.parametrize(
    ("watched", "name", "better"),
    [
        (True, "valid_acc", float.__gt__),
        ("valid_acc", "valid_acc", float.__gt__),
        ("cost", "cost", float.__lt__),
    ],
)
@pytest.mark.parametrize("patience", [1, 2, 3, 5, 100])
def test_it_stops_where_it_should_with_the_best_weights(watched, name, better, patience, history):
    n, best = expected(history[name], patience, better)
    assert patience > 3 or best < n < EPOCHS  # or this would show nothing
    nn = model(early_stopping=watched, patience=patience).fit(*DATA)
    assert nn.n_iter_ == n
    assert nn.eval_ == {key: figures[:n] for key, figures in history.items()}
    at_best = model(epochs=best).fit(*DATA)
    for mine, its in zip(
        nn.coefs_ + nn.intercepts_, at_best.coefs_ + at_best.intercepts_, strict=True
    ):
        assert np.array_equal(mine, its)
    assert np.array_equal(nn.predict(X), at_best.predict(X))
    if name == "valid_acc":
        assert nn.score(*DATA[2:]) == max(nn.eval_["valid_acc"])


@pytest.mark.parametrize("every", [2, 3, 5])
def test_evaluations_count_and_not_epochs(every, history):
    figures = history["cost"][every - 1 :: every]
    n, best = expected(figures, 2, float.__lt__)
    nn = model(early_stopping="cost", patience=2, eval_every=every).fit(*DATA)
    assert nn.n_iter_ == n * every
    assert np.array_equal(nn.w_h, model(epochs=best * every).fit(*DATA).w_h)


def test_the_last_epochs_own_evaluation_does_not_count():
    """With more epochs it would not have taken place, and such a run must go on all the same."""
    nn = model(early_stopping="cost", eval_every=2, epochs=3, eta=0.01).fit(*DATA)
    assert len(nn.eval_["cost"]) == 2
    assert nn.eval_["cost"][1] < nn.eval_["cost"][0]
    assert np.array_equal(nn.w_h, model(epochs=2, eta=0.01).fit(*DATA).w_h)
    nn = model(early_stopping="cost", eval_every=5, epochs=3, eta=0.01).fit(*DATA)
    assert np.array_equal(nn.w_h, model(epochs=3, eta=0.01).fit(*DATA).w_h)


def test_it_is_off_by_default(history):
    assert model(patience=1).fit(*DATA).n_iter_ == EPOCHS


def test_without_epochs_there_is_nothing_to_choose():
    nn = model(early_stopping=True, epochs=0).fit(*DATA)
    assert np.array_equal(nn.w_h, model(epochs=0).fit(*DATA).w_h)


def test_validation_data_are_asked_for():
    for watched in (True, "valid_acc"):
        with pytest.raises(ValueError, match="early_stopping needs X_valid and y_valid; got none"):
            model(early_stopping=watched).fit(*DATA[:2])
    assert model(early_stopping="cost", epochs=3).fit(*DATA[:2]).n_iter_ == 3


def test_a_callback_sees_the_weights_of_its_epoch_and_the_model_ends_with_the_best():
    seen = []
    nn = model(early_stopping="cost", patience=3)
    nn.callback = lambda epoch, history: seen.append(nn.w_h.copy()) and None
    nn.fit(*DATA)
    assert np.array_equal(seen[1], model(epochs=2).fit(*DATA).w_h)
    assert not np.array_equal(seen[-1], nn.w_h)
    assert np.array_equal(seen[np.argmin(nn.eval_["cost"])], nn.w_h)


def test_interrupted_it_is_at_the_last_epoch():
    def interrupt(epoch, history):
        if epoch == 4:
            raise KeyboardInterrupt

    nn = model(early_stopping="cost", patience=3, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        nn.fit(*DATA)
    assert np.array_equal(nn.w_h, model(epochs=4).fit(*DATA).w_h)


def test_stopped_is_stopped_and_more_epochs_change_nothing():
    keywords = {"early_stopping": "cost", "patience": 2}
    first = model(**keywords).fit(*DATA, checkpoint="run.ckpt")
    assert first.n_iter_ < EPOCHS
    again = model(**keywords, epochs=1000).fit(*DATA, checkpoint="run.ckpt")
    assert again.n_iter_ == first.n_iter_
    assert again.eval_ == first.eval_
    assert np.array_equal(again.w_h, first.w_h)


def test_after_the_best_of_a_shorter_run_training_goes_on_from_its_last_weights():
    """The checkpoint has both."""
    keywords = {"early_stopping": True, "patience": 50}
    for epochs in (5, 9, 20):
        nn = model(**keywords, epochs=epochs).fit(*DATA, checkpoint="run.ckpt")
        whole = model(**keywords, epochs=epochs).fit(*DATA)
        assert nn.eval_ == whole.eval_
        assert np.array_equal(nn.w_h, whole.w_h)
