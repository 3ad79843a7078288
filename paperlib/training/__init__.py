"""How objectives are optimised: full batch (L-BFGS) and mini-batch (Adam); any model, any objective, any device."""

from paperlib.training.config import TrainingConfig
from paperlib.training.crlc import Crlc
from paperlib.training.deep_soft_kmeans import CodeAndError, DeepSoftKMeans, Reconstruction
from paperlib.training.distributed import gather_rows, torchrun
from paperlib.training.fixed_labels import FixedLabels
from paperlib.training.full_batch import minimize_full_batch
from paperlib.training.gemini_objective import Gemini, VirtualAdversarial, imsat
from paperlib.training.heads import EachHead, HasHeads, best_head, head_losses
from paperlib.training.loop import TrainedRun, train
from paperlib.training.mean_prediction import mean_prediction
from paperlib.training.mini_batch import minimize_mini_batch
from paperlib.training.objectives import (
    MutualInformation,
    Objective,
    PseudoLabelSolver,
    SelfLabeling,
    pseudo_label_loss,
)
from paperlib.training.predict import predict
from paperlib.training.result import TrainingResult
from paperlib.training.running_prior import RunningPrior
from paperlib.training.schedules import geometric, learning_rate_factor
from paperlib.training.sparse_path import SparseModel, SparseStep, sparse_path, sparsest_step
from paperlib.training.staged import Scheduled, WarmStart
from paperlib.training.starts import LowestLoss, final_loss, lowest_loss
from paperlib.training.streamed import StreamedStep, create_rows, minimize_streamed, open_features, streamed_step
from paperlib.training.view_objectives import ClusterContrast, ConfidentLabels, InvariantInformation, Scan, Temi
from paperlib.training.views import Views
from paperlib.training.whole_set_labels import WholeSetLabels

__all__ = [
    "ClusterContrast",
    "CodeAndError",
    "ConfidentLabels",
    "Crlc",
    "DeepSoftKMeans",
    "EachHead",
    "FixedLabels",
    "Gemini",
    "HasHeads",
    "InvariantInformation",
    "LowestLoss",
    "MutualInformation",
    "Objective",
    "PseudoLabelSolver",
    "Reconstruction",
    "RunningPrior",
    "Scan",
    "Scheduled",
    "SelfLabeling",
    "SparseModel",
    "SparseStep",
    "StreamedStep",
    "Temi",
    "TrainedRun",
    "TrainingConfig",
    "TrainingResult",
    "Views",
    "VirtualAdversarial",
    "WarmStart",
    "WholeSetLabels",
    "best_head",
    "create_rows",
    "final_loss",
    "gather_rows",
    "geometric",
    "head_losses",
    "imsat",
    "learning_rate_factor",
    "lowest_loss",
    "mean_prediction",
    "minimize_full_batch",
    "minimize_mini_batch",
    "minimize_streamed",
    "open_features",
    "predict",
    "pseudo_label_loss",
    "sparse_path",
    "sparsest_step",
    "streamed_step",
    "torchrun",
    "train",
]
