"""TensorBoard shows the curves of all runs while they train.

pip install "mlpcore" tensorboardX tensorboard
tensorboard --logdir runs
"""

from tensorboardX import SummaryWriter

from mlpcore import NeuralNetMLP, load_digits

X, y = load_digits()

for n_hidden in (10, 50):
    with SummaryWriter(f"runs/{n_hidden}-hidden") as writer:

        def log(epoch, history, writer=writer):
            for name, values in history.items():
                if values:
                    writer.add_scalar(name, values[-1], epoch)

        nn = NeuralNetMLP(
            n_hidden=n_hidden, epochs=20, eta=0.005, minibatch_size=20, seed=1, callback=log
        )
        nn.fit(X[:1400], y[:1400], X[1400:], y[1400:])
        writer.add_histogram("w_h", nn.w_h, nn.n_iter_)
    print(f"{n_hidden} hidden units: {nn.eval_['valid_acc'][-1]:.1%}")
