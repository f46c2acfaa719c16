"""The labelled set, and what the shipped calibration does on it: the figures of docs/memory.md."""

import json
import sys

import numpy as np
import pytest

from pipelines.errors import LabError
from pipelines.server.memory.finding.relevance import calibrated
from training.memory.embedding import Ollama, embedder, unit
from training.memory.judge import cases, judge
from training.memory.people import beside, people


def test_the_set_is_what_its_page_says():
    everyone = people()
    held_out = [one for one in everyone if one.held_out]
    assert (len(everyone), len(held_out)) == (12, 5)
    assert sum(len(one.asked) for one in everyone) == 182
    assert {len(one.said) for one in everyone} == {12}
    assert all(k < 12 for one in everyone for asked in one.asked for k in asked.relevant)
    texts = [text for one in everyone for text in one.said]
    assert len(set(texts)) == len(texts)
    assert not set(beside(everyone[0])[50:]) & set(beside(held_out[0])[50:])


def test_on_people_it_was_not_fitted_on_one_injection_of_22_is_wrong():
    held_out = [one for one in people() if one.held_out]
    verdict = judge(held_out, cases(held_out), calibrated())
    assert (verdict.sentences, verdict.silent, verdict.relevant) == (75, 16, 63)
    assert (verdict.in_candidates, verdict.in_three) == (46, 45)
    assert (verdict.injected, verdict.right, verdict.disturbed) == (22, 21, 0)
    assert (verdict.kept, verdict.kept_right, verdict.worth) == (45, 45, 54)
    # What is called 0.7 and more relevant is so at least as often.
    above = [(n, share) for low, _, n, share in verdict.bins if low >= 0.7]
    assert sum(n for n, _ in above) == 22
    assert all(share >= 0.8 for _, share in above)


def test_embeddings_of_an_ollama_server_are_of_length_one_and_its_absence_is_said():
    asked = []

    def post(url, body):
        asked.append((url, json.loads(body)))
        return json.dumps({"embeddings": [[3.0, 4.0], [0.0, 0.0]]}).encode()

    made = Ollama("ollama:nomic", "http://127.0.0.1:11434/", post)
    vectors = made.embed(["a", "b"])
    assert [[round(float(x), 6) for x in one] for one in vectors] == [[0.6, 0.8], [0.0, 0.0]]
    assert asked == [("http://127.0.0.1:11434/api/embed", {"model": "nomic", "input": ["a", "b"]})]
    with pytest.raises(LabError, match="sent no vectors"):
        made.embed(["a"])
    with pytest.raises(LabError, match="made no embeddings"):
        Ollama("ollama:x", "http://127.0.0.1:1", lambda url, body: b"{}").embed(["a"])
    with pytest.raises(LabError, match="there are wordllama and ollama:MODEL"):
        embedder("word2vec")
    assert unit(np.zeros((0, 2), np.float32)).shape == (0, 2)


def test_a_package_that_is_not_installed_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(LabError, match="pip install wordllama"):
        embedder("wordllama")
