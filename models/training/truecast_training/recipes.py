"""Named configurations of the trainer: the paper's, ours, and the paper's rivals of its Table 2."""

from dataclasses import dataclass
from typing import Sequence

FRAMES_OF_HORIZON = 100


@dataclass(frozen=True)
class Recipe:
    """One way to train one network. Learning rates are those of Adam; steps are batches."""

    name: str
    #: Network in `networks.SPECS`, or a rival in `rivals.RIVALS`.
    network: str
    description: str
    learning_rate: float
    weight_decay: float
    frame_batch: int
    frame_steps: int
    sequence_batch: int
    sequence_steps: int
    #: Weight of the dense task (the forger's mask from an early feature map) beside the label's.
    mask_weight: float = 0.0
    #: Weights of face-api's recognition network to start from.
    start_from_face_api: bool = False
    #: One-cycle schedule; constant without.
    one_cycle: bool = False
    #: Frames after which the LSTM is asked for its answer.
    answers_at: Sequence[int] = (FRAMES_OF_HORIZON,)
    label_smoothing: float = 0.0
    #: Weights that are exported are an exponential moving average over about the last 1 / (1 - this) steps.
    averaging: float = 0.99
    #: Share of the training pairs that hold their heads aslant, and that get coloured light or a strong look.
    tilted: float = 0.0
    relit: float = 0.0
    #: Backbone and LSTM together on whole clips, as in the paper; without it the backbone first, on frames.
    end_to_end: bool = False


RECIPES: Sequence[Recipe] = (
    Recipe(
        name="paper",
        network="resnext101-lstm",
        description="IJERTV13IS050270: Adam, learning rate and weight decay 1e-5, dropout 0.4, cross-entropy, 100 frames, end to end.",
        learning_rate=1e-5,
        weight_decay=1e-5,
        frame_batch=8,
        frame_steps=0,
        sequence_batch=4,
        sequence_steps=20_000,
        end_to_end=True,
    ),
    Recipe(
        name="resnext101",
        network="resnext101-lstm",
        description="The paper's network, backbone first on frames, then the LSTM on its features.",
        learning_rate=1e-4,
        weight_decay=1e-4,
        frame_batch=64,
        frame_steps=20_000,
        sequence_batch=32,
        sequence_steps=2_000,
        one_cycle=True,
        answers_at=(40, 60, 80, 100),
        label_smoothing=0.02,
    ),
    Recipe(
        name="edge",
        network="face-resnet",
        description="Starts from face-api's recognition network; backbone on frames with the forger's mask as a dense task, then the LSTM on features.",
        learning_rate=2e-3,
        weight_decay=1e-4,
        frame_batch=32,
        frame_steps=7_000,
        sequence_batch=16,
        sequence_steps=300,
        mask_weight=1.0,
        start_from_face_api=True,
        one_cycle=True,
        answers_at=(40, 60, 80, 100),
        label_smoothing=0.02,
    ),
    Recipe(
        name="edge-continued",
        network="face-resnet",
        description="The second half of edge: goes on from an earlier run's frames (`--begin-with`) with heads held aslant, its weights averaged over more steps.",
        learning_rate=6e-4,
        weight_decay=1e-4,
        frame_batch=32,
        frame_steps=6_000,
        sequence_batch=16,
        sequence_steps=300,
        mask_weight=1.0,
        start_from_face_api=True,
        one_cycle=True,
        answers_at=(40, 60, 80, 100),
        label_smoothing=0.02,
        averaging=0.999,
        tilted=0.5,
    ),
    Recipe("edge-scratch", "face-resnet", "Ablation of edge: seeded random weights to start with.", 2e-3, 1e-4, 32, 2_500, 16, 600, 1.0, False, True, (40, 60, 80, 100), 0.02),
    Recipe("edge-label-only", "face-resnet", "Ablation of edge: the label alone, without the dense task.", 2e-3, 1e-4, 32, 2_500, 16, 600, 0.0, True, True, (40, 60, 80, 100), 0.02),
    Recipe("texture", "texture", "Measures of fine structure in a grid, no backbone to train: the LSTM learns from them in minutes on a CPU.", 2e-3, 1e-3, 32, 0, 32, 1_500, one_cycle=True, answers_at=(40, 60, 80, 100), label_smoothing=0.05),
    Recipe("efficientnet-b5", "efficientnet-b5", "Rival of the paper's Table 2: EfficientNet-B5 on frames.", 1e-4, 1e-5, 16, 20_000, 0, 0, one_cycle=True),
    Recipe("densenet-121", "densenet-121", "Rival of the paper's Table 2: DenseNet-121 on frames.", 1e-4, 1e-5, 16, 20_000, 0, 0, one_cycle=True),
    Recipe("flow-vgg16", "flow-vgg16", "Rival of the paper's Table 2: optical flow between frames, VGG-16 on it.", 1e-4, 1e-5, 16, 20_000, 0, 0, one_cycle=True),
)


def recipe_of(name: str) -> Recipe:
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise KeyError(f"no recipe named {name!r}; known: {', '.join(r.name for r in RECIPES)}")
