"""Recurrent networks: document 3, section 2.4. Inputs are [batch, time, features]; what is cut are the features."""

from collections.abc import Sequence

from torch import Tensor, nn

from schwarz.families import defaults_of


class Block(nn.Module):
    """Document 3's block: s_t = tanh(U x_t + W s_{t-1} + b) (2.27), o_t = tanh(V s_t + c) (2.28).

    torch's RNN is (2.27), with b as the sum of its two biases; it has no output matrix, which is the dense layer here.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.state = nn.RNN(inputs, width, batch_first=True)
        self.output = nn.Linear(width, width)
        self.sigma = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        """Outputs o [batch, time, width] of a series x [batch, time, inputs]."""
        return self.sigma(self.output(self.state(x)[0]))


class Blocks(nn.Module):
    """Blocks on top of each other, x^{l+1} = o^l; the classes are read from the last output in time."""

    def __init__(self, input_shape: Sequence[int], classes: int, width: int, blocks: int) -> None:
        super().__init__()
        features = input_shape[-1]
        self.blocks = nn.Sequential(*(Block(width if block else features, width) for block in range(blocks)))
        self.classes = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] of a series [batch, time, features]."""
        return self.classes(self.blocks(x)[:, -1])


class Stack(nn.Module):
    """torch's own recurrent layers on top of each other; the classes are read from the last state in time."""

    def __init__(self, states: nn.RNNBase, classes: int) -> None:
        super().__init__()
        self.states = states
        self.classes = nn.Linear(states.hidden_size, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] of a series [batch, time, features]."""
        return self.classes(self.states(x)[0][:, -1])


@defaults_of("recurrent")
def recurrent(input_shape: Sequence[int], classes: int, *, width: int, layers: int = 2) -> Blocks:
    """Document 3's recurrent network, Figure 2.3."""
    return Blocks(input_shape, classes, width, layers)


@defaults_of("rnn")
def rnn(input_shape: Sequence[int], classes: int, *, width: int, layers: int = 2) -> Stack:
    """Layers of s_t = tanh(U x_t + W s_{t-1} + b)."""
    return Stack(nn.RNN(input_shape[-1], width, layers, batch_first=True), classes)


@defaults_of("lstm")
def lstm(input_shape: Sequence[int], classes: int, *, width: int, layers: int = 2) -> Stack:
    """Layers of long short-term memory."""
    return Stack(nn.LSTM(input_shape[-1], width, layers, batch_first=True), classes)


@defaults_of("gru")
def gru(input_shape: Sequence[int], classes: int, *, width: int, layers: int = 2) -> Stack:
    """Layers of gated recurrent units."""
    return Stack(nn.GRU(input_shape[-1], width, layers, batch_first=True), classes)
