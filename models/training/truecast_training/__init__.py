"""Truecast's networks in PyTorch, and their export to the model-folder format."""
