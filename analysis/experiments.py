"""The experimental claims of the paper, and what each is judged on."""

from analysis import experiments_geometry, experiments_loss, experiments_tables, experiments_times, experiments_width
from analysis.experiment import Experiment


def all_experiments() -> tuple[Experiment, ...]:
    """Every experimental claim, those of one section in the paper's order."""
    return (
        *experiments_width.CLAIMS,
        *experiments_times.CLAIMS,
        *experiments_loss.GENERAL,
        *experiments_tables.MNIST,
        *experiments_geometry.CLAIMS,
        *experiments_tables.CIFAR,
        *experiments_loss.FACES,
        *experiments_tables.CLASSES,
    )
