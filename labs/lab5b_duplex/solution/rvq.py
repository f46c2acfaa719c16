"""Task 1. Residual vector quantisation: each codebook codes what the ones before left over."""

import math

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
    residual, codebooks = vectors, []
    for level in range(levels):
        codebook = train_codebook(residual, size, seed + level)
        residual = residual - codebook[nearest(residual, codebook)]
        codebooks.append(codebook)
    return codebooks


def encode(vectors: np.ndarray, codebooks: list[np.ndarray]) -> np.ndarray:
    """(n, levels): the codes of (n, d) vectors."""
    residual, codes = vectors, []
    for codebook in codebooks:
        code = nearest(residual, codebook)
        residual = residual - codebook[code]
        codes.append(code)
    return np.stack(codes, axis=1)


def decode(codes: np.ndarray, codebooks: list[np.ndarray]) -> np.ndarray:
    """(n, d): the sum of the entries that the codes name; as many levels as there are codes."""
    return sum(book[code] for book, code in zip(codebooks, codes.T, strict=False))


def bits_per_frame(levels: int, size: int) -> float:
    """Bits of one frame."""
    return levels * math.log2(size)


def kbps(levels: int, size: int, frames_per_s: float) -> float:
    """Thousands of bits per second."""
    return bits_per_frame(levels, size) * frames_per_s / 1000
