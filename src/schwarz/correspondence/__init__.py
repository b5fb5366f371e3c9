"""How a network and its local networks correspond, for any network that torch.fx can trace.

`index_maps` holds the arithmetic, `operations` and `layers` a rule for each kind of operation, `walk` applies them to
a traced network, box by box. Decomposition, composition and the theorems read the result.
"""

from schwarz.correspondence.activation import Activation
from schwarz.correspondence.index_maps import Axis, share
from schwarz.correspondence.outcome import Correspondence
from schwarz.correspondence.running import in_step
from schwarz.correspondence.tracing import WEIGHTED, trace
from schwarz.correspondence.walk import correspond

__all__ = ["WEIGHTED", "Activation", "Axis", "Correspondence", "correspond", "in_step", "share", "trace"]
