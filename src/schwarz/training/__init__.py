"""Training one network or a fleet of them: Adam on the cross-entropy (documents 1 and 3), or on the squared error of
regressions and autoencoders, the best epoch chosen on validation images.

Weights, batch order and the rate are functions of (seed, epoch, step), so that a run repeated gives the same bytes.
"""

from schwarz.training.checkpoints import Checkpoints
from schwarz.training.choice import fleets
from schwarz.training.epochs import batches
from schwarz.training.fleet import fit, fit_in_step
from schwarz.training.history import History, OnEpoch
from schwarz.training.member import Member
from schwarz.training.memory import keep_freed_memory
from schwarz.training.moments import MOMENTS, Moments
from schwarz.training.objective import unlabelled
from schwarz.training.rates import learning_rate
from schwarz.training.scores import accuracy, predict

__all__ = [
    "MOMENTS",
    "Checkpoints",
    "History",
    "Member",
    "Moments",
    "OnEpoch",
    "accuracy",
    "batches",
    "fit",
    "fit_in_step",
    "fleets",
    "keep_freed_memory",
    "learning_rate",
    "predict",
    "unlabelled",
]
