"""Command line: `python3 -m truecast_training export --model edge --out models/edge`."""

import argparse
from pathlib import Path

import torch

from .export import export_folder, write_plain_sequence, write_reference
from .networks import SPECS, spec_of


def main() -> None:
    parser = argparse.ArgumentParser(prog="truecast_training", description="Truecast's networks.")
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="write a model folder with untrained, seeded weights")
    export.add_argument("--model", required=True, choices=[spec.name for spec in SPECS])
    export.add_argument("--out", required=True, type=Path, help="the folder; its graphs and manifest are replaced")
    export.add_argument("--reference-frames", type=int, default=0, metavar="N", help="also write what PyTorch computes for a clip of N crops (*.bin)")
    export.add_argument("--sequence", action="store_true", help="also write the LSTM over a whole window as one graph (sequence.onnx), for benchmarks")
    export.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves PyTorch's choice")
    args = parser.parse_args()
    if args.threads > 0:
        torch.set_num_threads(args.threads)
    model = export_folder(args.model, args.out)
    if args.reference_frames > 0:
        write_reference(model, spec_of(args.model), args.reference_frames, args.out)
    if args.sequence:
        write_plain_sequence(model, spec_of(args.model), args.out)
    for file in sorted(args.out.glob("*.onnx")):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
