"""Task 1. Residual vector quantisation: each codebook codes what the ones before left over."""

import numpy as np
from scipy.cluster.vq import kmeans2


def train_codebook(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    """(size, d): k-means centres of (n, d) vectors."""
    centres, _ = kmeans2(vectors, size, iter=12, minit="++", seed=seed, missing="warn")
    return centres


def nearest(vectors: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """(n,): for each of (n, d) vectors the index of the nearest of (size, d) entries."""
    squares = (codebook**2).sum(axis=1)
    return (squares - 2 * vectors @ codebook.T).argmin(axis=1)


def train(vectors: np.ndarray, levels: int, size: int, seed: int) -> list[np.ndarray]:
    """The codebooks: the first is trained on the vectors, each further one on what is left."""
    # TODO: r_0 = x; r_i = r_(i-1) - q_i. As it is, every level learns the same.
    return [train_codebook(vectors, size, seed + level) for level in range(levels)]


def encode(vectors: np.ndarray, codebooks: list[np.ndarray]) -> np.ndarray:
    """(n, levels): the codes of (n, d) vectors."""
    # TODO: the codes of the residuals, not of the vectors.
    return np.stack([nearest(vectors, codebook) for codebook in codebooks], axis=1)


def decode(codes: np.ndarray, codebooks: list[np.ndarray]) -> np.ndarray:
    """(n, d): what the codes stand for; as many levels as there are codes."""
    # TODO: all levels, not the first one alone.
    return codebooks[0][codes[:, 0]]


def bits_per_frame(levels: int, size: int) -> float:
    """Bits of one frame."""
    # TODO
    return 0.0


def kbps(levels: int, size: int, frames_per_s: float) -> float:
    """Thousands of bits per second."""
    # TODO
    return 0.0
