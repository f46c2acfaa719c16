"""Fits the calibration anew, or judges it.

::

    python -m training.memory                          # pipelines/…/finding/relevance.json
    python -m training.memory --judge                  # what the shipped one does
    python -m training.memory --vectors wordllama      # what embeddings would add; nothing is kept
    python -m training.memory --vectors ollama:nomic-embed-text --ollama http://127.0.0.1:11434
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.server.memory.finding.relevance import FILE, Relevance, calibrated, features
from training.memory.embedding import embedder
from training.memory.judge import Case, Cosines, Verdict, cases, judge
from training.memory.people import Person, people

NAMES = ("covered", "shared", "weight")
"""Features that the regression sees."""
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse penalties that are tried, by leaving out one person after the other."""


def main() -> None:
    """Fits by default."""
    parser = argparse.ArgumentParser(
        prog="training.memory", description="Fits or judges the relevance."
    )
    parser.add_argument("--judge", action="store_true", help="judge what is there")
    parser.add_argument("--vectors", default="", help="judge words with these embeddings")
    parser.add_argument("--ollama", default="http://127.0.0.1:11434", help="address of Ollama")
    args = parser.parse_args()
    everyone = people()
    near = embedded(args.vectors, args.ollama) if args.vectors else None
    names = (*NAMES, "cosine") if near else NAMES
    of = {person.name: cases([person], near) for person in everyone}
    seen = [person for person in everyone if not person.held_out]
    unseen = [person for person in everyone if person.held_out]
    relevance = calibrated() if args.judge else fit([of[one.name] for one in seen], names)
    for title, group in (("fitted on", seen), ("held out", unseen)):
        told(f"words{f' and {args.vectors}' * bool(near)}, {title}", group, of, relevance)
    if not args.judge and near is None:
        table = {
            "weights": {name: round(value, 4) for name, value in relevance.weights.items()},
            "bias": round(relevance.bias, 4),
        }
        FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def embedded(name: str, ollama_url: str) -> Cosines:
    """Likeness by embeddings."""
    made = embedder(name, ollama_url)

    def cosines(text: str, others: Sequence[str]) -> Sequence[float]:
        vectors = made.embed([text, *others])
        near: list[float] = (vectors[1:] @ vectors[0]).tolist()
        return near

    return cosines


def fit(groups: Sequence[Sequence[Case]], names: Sequence[str]) -> Relevance:
    """Logistic regression; the penalty is chosen by leaving out one person after the other."""
    data = [_arrays(cases_of_one, names) for cases_of_one in groups]
    losses = [sum(_loss(data, k, strength) for k in range(len(data))) for strength in STRENGTHS]
    best = STRENGTHS[int(np.argmin(losses))]
    print(
        f"log loss by strength: {dict(zip(STRENGTHS, np.round(losses, 2).tolist(), strict=True))}"
    )
    model = _fitted(data, best)
    return Relevance(
        dict(zip(names, model.coef_[0].tolist(), strict=True)), float(model.intercept_[0])
    )


def _loss(data: list[tuple[Any, Any]], left_out: int, strength: float) -> float:
    model = _fitted([pair for k, pair in enumerate(data) if k != left_out], strength)
    x, y = data[left_out]
    p = np.clip(model.predict_proba(x)[:, 1], 1e-6, 1 - 1e-6)
    return float(-np.sum(np.log(np.where(y, p, 1 - p))))


def _fitted(data: Sequence[tuple[Any, Any]], strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([x for x, _ in data])
    y = np.concatenate([y for _, y in data])
    return LogisticRegression(C=strength, max_iter=2_000).fit(x, y)


def _arrays(of: Sequence[Case], names: Sequence[str]) -> tuple[Any, Any]:
    """(n, features) float64 and (n,) bool."""
    rows = [(case, found) for case in of for found in case.found]
    x = np.array([[features(found)[name] for name in names] for _, found in rows])
    return x, np.array([case.relevant(found) for case, found in rows])


def told(
    title: str, group: Sequence[Person], of: dict[str, list[Case]], relevance: Relevance
) -> None:
    """Prints a verdict."""
    v: Verdict = judge(group, [case for person in group for case in of[person.name]], relevance)
    print(
        f"\n{title}: {len(group)} people, {v.sentences} sentences, {v.relevant} relevant memories"
    )
    print(f"  among the candidates {v.in_candidates / v.relevant:.3f}")
    print(f"  recall at 3          {v.in_three / v.relevant:.3f}")
    print(f"  injected             {v.injected}, {v.right} right, {v.injected - v.right} wrong")
    print(f"  recall injected      {v.right / v.relevant:.3f}")
    print(f"  disturbed            {v.disturbed} of {v.silent} to which nothing is relevant")
    for low, high, n, share in v.bins:
        print(f"  relevance {low:.2f}–{high:.2f}: {n:4} candidates, {share:.2f} relevant")
    print(f"  importance: {v.kept} kept in mind, {v.kept_right} rightly, of {v.worth} worth it")


if __name__ == "__main__":
    main()
