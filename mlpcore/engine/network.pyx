"""A network: its layers, and its parameters in one block of memory."""

import numpy as np

from cython cimport critical_section

from libc.stdlib cimport calloc, free

from mlpcore.engine.inputs cimport Input
from mlpcore.engine.kernels cimport sum_squares
from mlpcore.engine.layout cimport Layer, lay_out, row_stride, uses_blas
from mlpcore.engine.losses cimport loss_of
from mlpcore.engine.memory cimport address
from mlpcore.engine.prediction cimport CLASSES, LOGITS, OUTPUTS, OneRow, Wanted, one_row, predict
from mlpcore.engine.registry cimport index_of

from mlpcore.engine.memory import aligned_zeros
from mlpcore.engine.registry import ACTIVATIONS
from mlpcore.engine.team_size import TeamSize

# Sizes of layers are C ints, with their padding.
MAX_UNITS = 2**31 - 2**12


cdef class Network:
    """A feed-forward network of fully connected layers.

    Parameters
    ----------
    n_units : sequence of int
        Units of each layer, from the inputs to the outputs; at least two.
    activation : str or sequence of str, default="logistic"
        The activation of all hidden units, or of each hidden layer; see
        `mlpcore.engine.registry.ACTIVATIONS`.
    loss : str, default="binary_cross_entropy"
        See `mlpcore.engine.registry.LOSSES`. Losses of numbers, such as the squared error, are the
        mean over the outputs; their gradient is that of the sum all the same, as in scikit-learn.
    output : str, optional
        The output units, one of `mlpcore.engine.registry.OUTPUTS`; the loss's canonical ones if not
        given.
    loss_parameter : float, optional
        For losses that have one; see `mlpcore.engine.registry.LOSSES`.
    loss_clip : bool, default=False
        Report the cross-entropies of probabilities that are clipped to [eps, 1 - eps], as
        scikit-learn does, and not their exact values. The gradient is that of the exact one.
    dtype : {"float32", "float64"}, default="float64"

    Attributes
    ----------
    coefs : list of ndarray, shapes (n_in, n_out)
        Weights of each layer: views of the network's own memory, zero at first. Writing to them
        changes the network; see `parameters_changed`.
    intercepts : list of ndarray, shapes (n_out,)
        Biases of each layer, likewise.
    parameters : ndarray, shape (size,)
        The memory itself, padding included.
    n_parameters : int
        Weights and biases, padding not counted.
    background : float or None
        The number that most features equal, which prediction then skips; None for none.
    """

    def __cinit__(self, n_units, *, activation="logistic", loss="binary_cross_entropy",
                  output=None, loss_parameter=None, bint loss_clip=False, dtype="float64"):
        cdef int i
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64; got {self.dtype}")
        self.n_units = tuple(n_units)
        if len(self.n_units) < 2 or not all(1 <= n <= MAX_UNITS for n in self.n_units):
            raise ValueError(
                f"n_units must be two numbers or more, from 1 to {MAX_UNITS}; got {self.n_units}"
            )
        self.layout.n_layers = <int> len(self.n_units) - 1
        self.layout.single = self.dtype == np.float32
        self.layout.loss = loss_of(loss, output, loss_parameter, loss_clip)
        activations = _activations(activation, self.layout.n_layers - 1)
        total = sum((n_in + 1) * row_stride(n_out, self.dtype.itemsize)
                    for n_in, n_out in zip(self.n_units, self.n_units[1:]))
        if total * self.dtype.itemsize > np.iinfo(np.intp).max:
            raise ValueError(f"n_units must give weights that fit in memory; got {self.n_units}")
        self.layout.layers = <Layer*> calloc(self.layout.n_layers, sizeof(Layer))
        if self.layout.layers is NULL:
            raise MemoryError("no memory for the layers")
        units = np.array(self.n_units, np.intc)
        lay_out(&self.layout, <const int*> address(units))
        for i in range(self.layout.n_layers - 1):
            self.layout.layers[i].activation = activations[i]
        self.parameters = aligned_zeros(self.layout.size, self.dtype)
        self.theta = address(self.parameters)
        self.coefs, self.intercepts = self.views(self.parameters)

    def __dealloc__(self):
        free(self.layout.layers)

    @property
    def n_layers(self):
        return self.layout.n_layers

    @property
    def single(self):
        return self.layout.single

    @property
    def size(self):
        return self.layout.size

    @property
    def n_parameters(self):
        return sum((n_in + 1) * n_out for n_in, n_out in zip(self.n_units, self.n_units[1:]))

    def views(self, flat):
        """Weights and biases of each layer in any array laid out as `parameters`.

        Parameters
        ----------
        flat : ndarray, shape (size,)

        Returns
        -------
        coefs, intercepts : list of ndarray
            Views of `flat`, without the padding.
        """
        cdef const Layer* layer
        coefs, intercepts = [], []
        for i in range(self.layout.n_layers):
            layer = &self.layout.layers[i]
            w, b, ld = layer.w, layer.b, layer.ld
            coefs.append(flat[w:b].reshape(layer.n_in, ld)[:, : layer.n_out])
            intercepts.append(flat[b : b + layer.n_out])
        return coefs, intercepts

    def pack(self, flat=None):
        """Copy all weights and then all biases into one vector without padding.

        Parameters
        ----------
        flat : ndarray, shape (size,), optional
            Anything laid out as `parameters`, such as a gradient; the parameters if not given.

        Returns
        -------
        packed : ndarray, shape (n_parameters,)
        """
        coefs, intercepts = self.views(self.parameters if flat is None else flat)
        return np.concatenate([view.ravel() for view in coefs + intercepts])

    def unpack(self, packed, flat=None):
        """Put back what `pack` copied.

        Parameters
        ----------
        packed : ndarray, shape (n_parameters,)
        flat : ndarray, shape (size,), optional
            Written to, but for its padding; the parameters if not given.

        Raises
        ------
        ValueError
            If `packed` has another shape.
        """
        packed = np.asarray(packed)
        if packed.shape != (self.n_parameters,):
            raise ValueError(
                f"packed must have shape ({self.n_parameters},), all weights and then all biases; "
                f"got {packed.shape}"
            )
        coefs, intercepts = self.views(self.parameters if flat is None else flat)
        start = 0
        for view in coefs + intercepts:
            view[...] = packed[start : start + view.size].reshape(view.shape)
            start += view.size
        if flat is None:
            self.parameters_changed()

    def get_weights(self):
        """Copy the parameters.

        Returns
        -------
        coefs, intercepts : list of ndarray
            Shaped as the attributes of the same names.
        """
        return [view.copy() for view in self.coefs], [view.copy() for view in self.intercepts]

    def set_weights(self, coefs, intercepts):
        """Set the parameters.

        Parameters
        ----------
        coefs, intercepts : sequence of array_like
            Shaped as the attributes of the same names.

        Raises
        ------
        ValueError
            If their number is not that of the layers, or one has another shape. Then the parameters
            stay as they were.
        """
        given = [np.asarray(array) for array in (*coefs, *intercepts)]
        views = self.coefs + self.intercepts
        shapes = [array.shape for array in given]
        expected = [view.shape for view in views]
        if len(coefs) != self.layout.n_layers or shapes != expected:
            raise ValueError(
                f"coefs and intercepts must have shapes {expected}, weights first; got {shapes}"
            )
        for view, array in zip(views, given):
            view[...] = array
        self.parameters_changed()

    def parameters_changed(self):
        """Tell the network that its parameters have been written to from outside.

        Prediction of one row keeps column sums of the weights where it skips a background.
        """
        with critical_section(self):
            self._one_row = None

    @property
    def background(self):
        """The number that most features equal, which prediction then skips; None for none."""
        return self._background

    @background.setter
    def background(self, number):
        with critical_section(self):
            self._background = number
            self._one_row = None

    def weights_squared(self, factors=None):
        """Sum of the squares of all weights, biases not counted.

        Parameters
        ----------
        factors : sequence of float, optional
            A factor for each layer's sum.

        Returns
        -------
        total : float
        """
        cdef double total = 0, squares
        cdef const Layer* layer
        for i in range(self.layout.n_layers):
            layer = &self.layout.layers[i]
            if self.layout.single:
                squares = sum_squares[float](<float*> self.theta + layer.w, layer.b - layer.w)
            else:
                squares = sum_squares[double](<double*> self.theta + layer.w, layer.b - layer.w)
            total += squares if factors is None else squares * <double> factors[i]
        return total

    def uses_blas(self):
        """Whether any layer is large enough to go through BLAS."""
        return bool(uses_blas(&self.layout))

    def check(self, Input X):
        """Raise ValueError unless the network can read these rows."""
        if X.rows.n_features != self.layout.layers.n_in or X.dtype != self.dtype:
            raise ValueError(
                f"the network reads {self.layout.layers.n_in} features as {self.dtype}; got rows "
                f"of {X.rows.n_features} for {X.dtype}"
            )

    def logits(self, Input X, int n_threads=1):
        """Pre-activations of the output units. (The textbook calls pre-activations net inputs.)

        The result for a row does not depend on the other rows; in a network that `uses_blas`, its
        rounding may depend on their number.

        Parameters
        ----------
        X : Input
            Rows with as many features as the network has inputs.
        n_threads : int, default=1
            Threads at most; few rows get fewer.

        Returns
        -------
        z : ndarray, shape (n_samples, n_outputs)

        Raises
        ------
        ValueError
            If dense rows hold NaN, infinity or a number too large for the network's dtype.
        """
        self.check(X)
        return self._predict(X, n_threads, LOGITS)

    def outputs(self, Input X, int n_threads=1):
        """Outputs: the same through the output units' activation.

        Parameters
        ----------
        X : Input
        n_threads : int, default=1
            As in `logits`.

        Returns
        -------
        a : ndarray, shape (n_samples, n_outputs)
        """
        self.check(X)
        return self._predict(X, n_threads, OUTPUTS)

    def classes(self, Input X, int n_threads=1):
        """Class of each row: that of the output unit with the largest pre-activation.

        Parameters
        ----------
        X : Input
        n_threads : int, default=1
            As in `logits`.

        Returns
        -------
        index : ndarray of intp, shape (n_samples,)
            The first class, where several are equal.
        """
        self.check(X)
        return self._predict(X, n_threads, CLASSES)

    cdef _predict(self, Input X, int n_threads, Wanted wanted):
        # A row takes about the same in each call, so that what was measured serves the next one.
        if self._team_size is None or self._team_size.largest != n_threads:
            self._team_size = TeamSize(n_threads)
        return predict(&self.layout, self.theta, self._background, X, n_threads, wanted,
                       self._team_size)

    def holds(self, list coefs, list intercepts):
        """Whether two lists are those of this network: the same arrays, not equal ones.

        Parameters
        ----------
        coefs, intercepts : list of ndarray

        Returns
        -------
        holds : bool
        """
        return _same_objects(coefs, self.coefs) and _same_objects(intercepts, self.intercepts)

    def classify(self, x):
        """Class of one row, by the fast path.

        Parameters
        ----------
        x : ndarray of the network's dtype, shape (1, n_features), elements of the row adjacent

        Returns
        -------
        index : int
            The output unit with the largest pre-activation, or -1 where `x` is not as described or
            not finite: then the slow path reports why.
        """
        return self._classify(x, NULL)

    def row_outputs(self, x):
        """Outputs for one row, by the fast path.

        Parameters
        ----------
        x : ndarray
            As in `classify`.

        Returns
        -------
        a : ndarray, shape (1, n_outputs), or None
            As in `outputs`, and None where `classify` returns -1.
        """
        a = np.empty((1, self.layout.layers[self.layout.n_layers - 1].n_out), self.dtype)
        return a if self._classify(x, address(a)) >= 0 else None

    cdef int _classify(self, x, void* outputs) except -2:
        cdef OneRow one
        # Another thread may be setting it to None.
        with critical_section(self):
            one = self._one_row
            if one is None:
                one = self._one_row = one_row(&self.layout, self.theta, self._background)
        return one.classify(x, outputs)


cdef bint _same_objects(list given, list mine) noexcept:
    cdef Py_ssize_t i
    if len(given) != len(mine):
        return False
    for i in range(len(mine)):
        if given[i] is not mine[i]:
            return False
    return True


def _activations(activation, n_hidden):
    """The index of each hidden layer's activation in the registry."""
    if isinstance(activation, str):
        index_of(activation, ACTIVATIONS, "activation")
        activation = (activation,) * n_hidden
    if len(activation) != n_hidden:
        raise ValueError(
            f"activation must be one name, or one for each of the {n_hidden} hidden layers; got "
            f"{len(activation)}"
        )
    return [index_of(name, ACTIVATIONS, "activation") for name in activation]
