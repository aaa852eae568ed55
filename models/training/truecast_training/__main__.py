"""Command line of the training: prepare, forge-clips, long-clips, train, evaluate, export, import. See models/training/README.md."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np
import torch

from .export import Training, export_folder, export_model, write_plain_sequence, write_reference
from .networks import SPECS, FaceSequenceClassifier, ModelSpec, ResNeXt50, ResNeXt101, build_model, spec_of
from .recipes import RECIPES, recipe_of
from .temperature import bands_for, calibration_error, fit_calibration


def prepare(args: argparse.Namespace) -> None:
    from .prepare import FRAME_PLAN, SEQUENCE_PLAN, prepare as draw

    plan = FRAME_PLAN if args.plan == "frames" else SEQUENCE_PLAN
    spec = spec_of(args.model)
    for part, shards in (("held-out", args.held_out), ("training", args.shards)):
        drawn = draw(args.stills, args.out, plan, part, shards, args.size or spec.size_px, args.margin or spec.crop_margin, args.autoencoder_steps, args.first_seed, args.looks)
        print(f"{args.out}/{part}: {drawn} shards drawn, {shards - drawn} were there")


def forge_clips(args: argparse.Namespace) -> None:
    from .forge_clips import ManifestInvalid, Settings, forge_clips as forge

    try:
        pairs, left_out = forge(args.manifest, args.stills, args.out, Settings(args.bitrate, args.height, args.max_seconds, args.seed))
    except ManifestInvalid as error:
        raise SystemExit(f"forge-clips: {error}")
    print(f"{args.out}: {pairs} genuine clips with a swapped twin each, {left_out} left out (leftOut in NAME.json says why)")


def long_clips(args: argparse.Namespace) -> None:
    from .forge_clips import ManifestInvalid, Settings
    from .long_clips import filmed_photographs, long_clips as lengthen

    settings = Settings(args.bitrate, args.height, args.seconds, args.seed)
    try:
        made, left_out = lengthen(args.manifest, args.out, settings, args.seconds) if args.manifest else (filmed_photographs(args.photographs, args.out, settings, args.seconds), [])
    except ManifestInvalid as error:
        raise SystemExit(f"long-clips: {error}")
    print(f"{args.out}: {made} clips of {args.seconds:g} s" + "".join(f"\nleft out: {reason}" for reason in left_out))


def train(args: argparse.Namespace) -> None:
    from .rivals import RIVALS
    from .train import train_frames
    from .train_sequences import train_sequences

    recipe = recipe_of(args.recipe)
    device = torch.device("cuda" if torch.cuda.is_available() and args.device != "cpu" else "cpu")
    args.out.mkdir(parents=True, exist_ok=True)
    if recipe.network in RIVALS:
        from .train_rivals import train_rival

        print(train_rival(recipe, args.frames, args.out, device, args.precision, args.seed, args.frame_steps))
        return
    if recipe.end_to_end:
        from .train_end_to_end import train_end_to_end

        print(train_end_to_end(recipe, args.sequences, args.out, device, args.precision, args.seed, args.sequence_steps))
        return
    frames = args.out / "frames.pt"
    if args.stage in ("frames", "all") and recipe.frame_steps > 0 and not frames.exists():
        train_frames(recipe, args.frames, args.out, device, args.precision, args.seed, args.frame_steps, args.begin_with)
    if args.stage in ("sequences", "all"):
        print(train_sequences(recipe, frames, args.frames, args.sequences, args.out, device, args.precision, args.seed, args.sequence_steps))


def evaluate(args: argparse.Namespace) -> None:
    from .evaluate_frames import evaluate as score

    state = torch.load(str(args.weights), map_location="cpu")
    sequences = args.weights.name == "model.pt"
    for channel in args.channels.split(","):
        result = score(args.crops, channel, state["model"], args.model, state.get("label", {}), args.clips, sequences, args.precision)
        print("\n".join(result.lines()), flush=True)
        if args.details:
            for number, clip in sorted(enumerate(result.clips), key=lambda entry: -list(result.scores.values())[0][entry[0]]):
                print(f"  {list(result.scores.values())[0][number]:7.3f}  {'forged ' if clip.label else 'genuine'}  {clip.file}")


def calibrated(path: Path) -> Dict[str, object]:
    """Calibration and bands from the held-out synthetic clips kept with the weights."""
    held = torch.load(str(path), map_location="cpu")["held_out"]
    logits, labels = np.asarray(held["logits"])[:, -1], np.asarray(held["labels"])
    calibration = fit_calibration(logits, labels)
    scores = calibration.scores(logits)
    return {
        "temperature": round(calibration.temperature, 4),
        "bias": round(calibration.bias, 4),
        "bands": bands_for(scores[labels == 0]),
        "calibration error before": calibration_error(1 / (1 + np.exp(-logits)), labels),
        "calibration error after": calibration_error(scores, labels),
    }


def calibrated_on(model: FaceSequenceClassifier, folders: Sequence[Path]) -> Dict[str, object]:
    """Calibration and bands from real clips (crops by `truecast extract`): the first from genuine clips and face swaps, the
    bands from every full or last horizon of the genuine ones."""
    from .clips import read_clips
    from .evaluate_frames import horizon_logits
    from .train_sequences import features_of

    logits: List[float] = []
    labels: List[int] = []
    genuine: List[float] = []
    for folder in folders:
        for clip in read_clips(folder):
            found = horizon_logits(model, features_of(model, np.asarray(clip.crops), torch.device("cpu")))
            if clip.label == 0:
                genuine += found.tolist()
            if clip.label == 0 or "swap" in clip.type:
                logits.append(float(found.mean()))
                labels.append(clip.label)
    if len(set(labels)) < 2:
        raise SystemExit(f"export: calibration needs genuine clips and face swaps; {', '.join(map(str, folders))} hold {sum(labels)} swaps and {len(labels) - sum(labels)} genuine clips")
    calibration = fit_calibration(np.array(logits), np.array(labels))
    return {
        "temperature": round(calibration.temperature, 4),
        "bias": round(calibration.bias, 4),
        "bands": bands_for(calibration.scores(np.array(genuine))),
        "calibration error before": calibration_error(1 / (1 + np.exp(-np.array(logits))), np.array(labels)),
        "calibration error after": calibration_error(calibration.scores(np.array(logits)), np.array(labels)),
    }


def export(args: argparse.Namespace) -> None:
    if args.weights is None:
        model = export_folder(args.model, args.out)
    else:
        model = build_model(args.model)
        model.load_state_dict(torch.load(str(args.weights), map_location="cpu")["model"])
        found = calibrated_on(model, args.calibrate_on) if args.calibrate_on else calibrated(args.weights)
        print(json.dumps(found, indent=1))
        accuracy: Optional[Dict[str, float]] = json.loads(args.accuracy.read_text(encoding="utf-8")) if args.accuracy else None
        training = Training(args.trained, args.note or "Trained by models/training; not measured on real clips.", accuracy, found["temperature"], found["bias"], found["bands"])
        export_model(model, dataclasses.replace(spec_of(args.model), name=args.name or args.model), args.out, training)
    if args.reference_frames > 0:
        write_reference(model, spec_of(args.model), args.reference_frames, args.out)
    if args.sequence:
        write_plain_sequence(model, spec_of(args.model), args.out)
    for file in sorted(args.out.glob("*.onnx")):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def import_checkpoint(args: argparse.Namespace) -> None:
    from .import_checkpoint import CheckpointMismatch, import_model

    try:
        model, architecture = import_model(args.checkpoint)
    except (CheckpointMismatch, OSError) as error:
        raise SystemExit(f"import: {error}")
    if args.manipulated_class == 0:
        with torch.no_grad():
            for tensor in (model.classifier.weight, model.classifier.bias):
                tensor.copy_(tensor.flip(0))
    backbone = ResNeXt101 if architecture == "resnext101_32x8d" else ResNeXt50
    spec = ModelSpec(args.name, backbone, model.lstm.hidden_size, args.size, f"Imported: {architecture} and one LSTM of {model.lstm.hidden_size} units.", 1)
    export_model(model, spec, args.out, Training(False, args.note, licence=args.licence))
    print(f"{args.out}: {architecture}, LSTM of {model.lstm.hidden_size}. It is marked untrained until you measured it: see models/training/README.md")


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(prog="truecast_training", description="Trains Truecast's networks and writes model folders.")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves PyTorch's choice")
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("prepare", help="draw genuine and forged clips from cut stills")
    command.add_argument("--stills", required=True, type=Path, help="folder written by pipelines/extract/cut-stills.ts")
    command.add_argument("--out", required=True, type=Path, help="folder for the shards")
    command.add_argument("--plan", choices=("frames", "sequences"), default="frames", help="many short clips, or whole horizons")
    command.add_argument("--shards", type=int, default=400, help="shards for training: 16 clips each, 4 for sequences")
    command.add_argument("--held-out", type=int, default=20, help="shards of people who are never trained on")
    command.add_argument("--size", type=int, default=0, help="side of the crops, pixels; 0 is that of --model")
    command.add_argument("--margin", type=float, default=0, help="side of the crop as a multiple of the face's box; 0 is that of --model")
    command.add_argument("--model", default="face-resnet", choices=[spec.name for spec in SPECS], help="the network that the crops are for")
    command.add_argument("--looks", type=float, default=0.0, help="how often faces are made up, retouched, lit and filmed out of the ordinary, 0 to 1; docs/training.md says what it did")
    command.add_argument("--first-seed", type=int, default=0, help="seed of the first shard: another one draws other clips")
    command.add_argument("--autoencoder-steps", type=int, default=400, help="training steps of the autoencoders that stand in for generators")
    command.set_defaults(run=prepare)

    command = commands.add_parser("forge-clips", help="put held-out faces on genuine clips, to judge with and never to train on")
    command.add_argument("--manifest", required=True, type=Path, help="CSV with the columns file, label, type, group; only its genuine clips are used")
    command.add_argument("--stills", required=True, type=Path, help="folder written by pipelines/extract/cut-stills.ts, for the donors")
    command.add_argument("--out", required=True, type=Path, help="folder for the clips and their manifest.csv")
    command.add_argument("--bitrate", type=int, default=800, help="kbit/s of both clips of a pair")
    command.add_argument("--height", type=int, default=480, help="height of both clips, pixels")
    command.add_argument("--max-seconds", type=float, default=8.0, help="seconds of each clip that are used")
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=forge_clips)

    command = commands.add_parser("long-clips", help="clips long enough for an alert, to count false alarms and alerts with")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--manifest", type=Path, help="CSV with the columns file, label, type, group; its clips are played to and fro")
    source.add_argument("--photographs", type=Path, help="folder of photographs to film with a moving camera")
    command.add_argument("--out", required=True, type=Path, help="folder for the clips and their manifest.csv")
    command.add_argument("--seconds", type=float, default=60.0, help="length of each clip")
    command.add_argument("--bitrate", type=int, default=800, help="kbit/s")
    command.add_argument("--height", type=int, default=480, help="height, pixels")
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=long_clips)

    command = commands.add_parser("train", help="train a named recipe; goes on where an earlier run stopped")
    command.add_argument("--recipe", default="edge", choices=[recipe.name for recipe in RECIPES])
    command.add_argument("--frames", required=True, type=Path, help="folder written by prepare --plan frames")
    command.add_argument("--sequences", type=Path, help="folder written by prepare --plan sequences")
    command.add_argument("--out", required=True, type=Path, help="folder for weights, checkpoints and curves")
    command.add_argument("--begin-with", type=Path, help="frames-checkpoint.pt or frames.pt of an earlier run of the same network, to go on from")
    command.add_argument("--stage", choices=("frames", "sequences", "all"), default="all")
    command.add_argument("--frame-steps", type=int, default=0, help="instead of the recipe's")
    command.add_argument("--sequence-steps", type=int, default=0, help="instead of the recipe's")
    command.add_argument("--device", choices=("auto", "cpu"), default="auto")
    command.add_argument("--precision", choices=("float32", "bfloat16", "float16"), default="float32")
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=train)

    command = commands.add_parser("evaluate", help="score crops of real clips, with the trivial baseline beside them")
    command.add_argument("--crops", required=True, type=Path, help="folder written by `truecast extract`")
    command.add_argument("--clips", required=True, type=Path, help="folder of the clips themselves, for the baseline's bit rates")
    command.add_argument("--weights", required=True, type=Path, help="frames.pt or model.pt")
    command.add_argument("--model", default="face-resnet", choices=[spec.name for spec in SPECS])
    command.add_argument("--channels", default="source", help="channels of the extraction, by the beginning of their names")
    command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    command.add_argument("--details", action="store_true", help="also the score of every clip")
    command.set_defaults(run=evaluate)

    command = commands.add_parser("export", help="write a model folder, with trained weights or seeded ones")
    command.add_argument("--model", required=True, choices=[spec.name for spec in SPECS])
    command.add_argument("--out", required=True, type=Path, help="the folder; its graphs and manifest are replaced")
    command.add_argument("--weights", type=Path, help="model.pt of a training run; seeded random weights without")
    command.add_argument("--name", help="the model's name in its manifest, with --weights; default: the network's")
    command.add_argument("--trained", action="store_true", help="the weights were measured to be good enough to raise alerts; needs --accuracy")
    command.add_argument("--accuracy", type=Path, help="JSON of measured figures by name")
    command.add_argument("--calibrate-on", nargs="+", type=Path, help="folders written by `truecast extract`: calibrate on their genuine clips and face swaps instead of on held-out synthetic ones")
    command.add_argument("--note", help="how and on what they were trained")
    command.add_argument("--reference-frames", type=int, default=0, metavar="N", help="also write what PyTorch computes for a clip of N crops (*.bin)")
    command.add_argument("--sequence", action="store_true", help="also write the LSTM over a whole window as one graph (sequence.onnx), for benchmarks")
    # As before `--threads` moved: `export --threads 2` goes on working.
    command.add_argument("--threads", type=int, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    command.set_defaults(run=export)

    command = commands.add_parser("import", help="write a model folder from a PyTorch checkpoint of the paper's architecture")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("--out", required=True, type=Path)
    command.add_argument("--name", default="imported")
    command.add_argument("--size", type=int, default=112, help="side of the crops it was trained on, pixels")
    command.add_argument("--manipulated-class", type=int, choices=(0, 1), default=1, help="which output is the probability of manipulation")
    command.add_argument("--licence", default="LicenseRef-unknown", help="SPDX identifier of the checkpoint's licence")
    command.add_argument("--note", default="Imported from a PyTorch checkpoint; not trained by this project.")
    command.set_defaults(run=import_checkpoint)

    args = parser.parse_args(arguments)
    if args.threads > 0:
        torch.set_num_threads(args.threads)
    args.run(args)


if __name__ == "__main__":
    main()
