"""What trained strategies are worth: figures of their answers, how sure these are, what a lost box costs, and the
failure signatures of document 2."""

from schwarz.evaluation.agreement import agreement
from schwarz.evaluation.answers import Answers
from schwarz.evaluation.certainty import Interval, Pair, intervals, mcnemar, paired, pairs, wilson
from schwarz.evaluation.measures import accuracy, among_top, by_class, confusion, details, figures
from schwarz.evaluation.missing import Damaged, blank, loss_of_boxes, rights
from schwarz.evaluation.signatures import Signature, Taught, signatures

__all__ = [
    "Answers",
    "Damaged",
    "Interval",
    "Pair",
    "Signature",
    "Taught",
    "accuracy",
    "agreement",
    "among_top",
    "blank",
    "by_class",
    "confusion",
    "details",
    "figures",
    "intervals",
    "loss_of_boxes",
    "mcnemar",
    "paired",
    "pairs",
    "rights",
    "signatures",
    "wilson",
]
