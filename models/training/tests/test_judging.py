"""Metrics, calibration, and checkpoints from elsewhere."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from truecast_training.import_checkpoint import CheckpointMismatch, import_model
from truecast_training.metrics import auc, auc_interval, equal_error_rate, leave_group_out
from truecast_training.networks import FaceSequenceClassifier, ResNeXt50
from truecast_training.temperature import bands_for, calibration_error, fit_calibration

try:
    from torchvision.models import resnext50_32x4d
except ImportError:
    resnext50_32x4d = None


class Metrics(unittest.TestCase):
    def test_auc_counts_pairs_in_the_right_order_and_ties_as_half(self) -> None:
        self.assertEqual(auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 0.75)
        self.assertEqual(auc([0, 1], [0.5, 0.5]), 0.5)

    def test_the_interval_holds_the_value_and_narrows_with_more_groups(self) -> None:
        random = np.random.default_rng(1)

        def width(groups: int) -> float:
            labels = np.repeat(np.arange(groups) % 2, 2)
            scores = labels + random.normal(0, 1, len(labels))
            low, high = auc_interval(labels, scores, [str(i // 2) for i in range(len(labels))], rounds=300)
            self.assertLessEqual(low, auc(labels, scores))
            self.assertLessEqual(auc(labels, scores), high)
            return high - low

        self.assertGreater(width(10), width(200))

    def test_equal_error_rate_of_scores_that_tell_nothing_is_a_half(self) -> None:
        random = np.random.default_rng(2)
        self.assertAlmostEqual(equal_error_rate(np.arange(2000) % 2, random.random(2000)), 0.5, delta=0.05)

    def test_a_baseline_that_only_knows_groups_gains_nothing_when_they_are_left_out(self) -> None:
        random = np.random.default_rng(3)
        groups = [str(i // 10) for i in range(200)]
        labels = np.array([int(g) % 2 for g in groups])
        features = np.stack([np.array([hash_of(int(g)) for g in groups]), random.normal(size=200)], 1)
        self.assertLess(auc(labels, leave_group_out(features, labels, groups)), 0.75)


def hash_of(number: int) -> float:
    return float(np.random.default_rng(number).normal())


class Calibration(unittest.TestCase):
    def test_overconfident_logits_are_cooled_to_the_truth(self) -> None:
        random = np.random.default_rng(4)
        truth = random.normal(0, 2, 20_000)
        labels = (random.random(20_000) < 1 / (1 + np.exp(-(truth + 0.5)))).astype(int)
        calibration = fit_calibration(3 * truth, labels)
        self.assertAlmostEqual(calibration.temperature, 3, delta=0.2)
        self.assertAlmostEqual(calibration.bias, 0.5, delta=0.1)
        self.assertLess(calibration_error(calibration.scores(3 * truth), labels), 0.02)

    def test_bands_rise_and_stay_within_reach(self) -> None:
        for scores in (np.zeros(100), np.ones(100), np.linspace(0, 1, 100)):
            bands = bands_for(scores)
            self.assertTrue(0.35 <= bands["uncertain"] < bands["suspicious"] < bands["manipulated"] <= 0.97)


class Import(unittest.TestCase):
    def save(self, state: object) -> Path:
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        path = Path(self.temporary.name) / "checkpoint.pt"
        torch.save(state, str(path))
        return path

    @unittest.skipIf(resnext50_32x4d is None, "torchvision is missing")
    def test_a_checkpoint_of_public_code_computes_the_same_after_import(self) -> None:
        """The usual shape: nn.Sequential of torchvision's children, an LSTM without biases, `linear1`, DataParallel's prefix."""
        theirs = torch.nn.Sequential(*list(resnext50_32x4d().children())[:-2]).eval()
        lstm, linear = torch.nn.LSTM(2048, 64, bias=False), torch.nn.Linear(64, 2)
        state = {f"module.model.{name}": value for name, value in theirs.state_dict().items()}
        state.update({f"module.lstm.{name}": value for name, value in lstm.state_dict().items()})
        state.update({f"module.linear1.{name}": value for name, value in linear.state_dict().items()})
        model, architecture = import_model(self.save({"state_dict": state, "epoch": 3}))
        self.assertEqual(architecture, "resnext50_32x4d")
        crops = torch.from_numpy(np.random.default_rng(5).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8))
        with torch.no_grad():
            features = theirs(model.normalised(crops)).mean((2, 3))
            expected = linear(lstm(features.unsqueeze(1))[0][-1, 0])
            torch.testing.assert_close(model(crops.unsqueeze(0))[0], expected, rtol=1e-4, atol=1e-5)

    def test_wrong_shapes_are_named(self) -> None:
        state = FaceSequenceClassifier(ResNeXt50(), 2048, 32).state_dict()
        state["classifier.weight"] = torch.zeros(5, 32)
        del state["backbone.layer2.0.bn1.weight"]
        with self.assertRaisesRegex(CheckpointMismatch, r"layer2\.0\.bn1\.weight is missing; classifier\.weight is \[5, 32\], not \[2, 32\]"):
            import_model(self.save(state))

    def test_a_file_that_is_no_checkpoint_is_refused(self) -> None:
        with self.assertRaisesRegex(CheckpointMismatch, "no state dict"):
            import_model(self.save({"epoch": 3}))
        with self.assertRaisesRegex(CheckpointMismatch, "no LSTM"):
            import_model(self.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}))


if __name__ == "__main__":
    unittest.main()
