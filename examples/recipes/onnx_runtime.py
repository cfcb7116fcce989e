"""onnxruntime runs the model without mlpcore, here or from C++, C#, Java and JavaScript.

pip install "mlpcore[onnx]" onnxruntime
"""

import numpy as np
import onnxruntime

from mlpcore import NeuralNetMLP, load_digits

X, y = load_digits()
nn = NeuralNetMLP(n_hidden=50, epochs=20, eta=0.005, minibatch_size=20, seed=1)
nn.fit(X[:1400], y[:1400]).to_onnx("digits.onnx")

session = onnxruntime.InferenceSession("digits.onnx")
label, probabilities = session.run(["label", "probabilities"], {"X": X[1400:]})
difference = np.abs(probabilities - nn.predict_proba(X[1400:])).max()
print(f"{np.mean(label == y[1400:]):.1%}, probabilities differ by {difference:.0e} at most")
