"""What a person sees while a model trains: a table with a row an epoch, or plain lines without a terminal."""

from gantool.cli.training.display import TrainingDisplay

__all__ = ["TrainingDisplay"]
