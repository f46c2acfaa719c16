"""What is computed without scipy.stats is what scipy.stats computes, to the last bit."""

import subprocess
import sys

import numpy as np
import pytest

from bench.stats.bootstrap import RESAMPLES, bca_of_mean
from bench.stats.quantiles import rate


@pytest.mark.parametrize(("seed", "n"), [(1, 20), (2, 25), (3, 59), (4, 130)])
def test_the_interval_of_a_mean_is_scipys(seed, n):
    from scipy.stats import bootstrap

    rng = np.random.default_rng(seed)
    for data in (rng.lognormal(2, 0.7, n), rng.normal(300, 40, n).round(1)):
        theirs = bootstrap(
            (data,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=1000,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        assert bca_of_mean(data, seed, 0.95) == (theirs.low, theirs.high)


def test_the_interval_of_a_rate_is_that_of_scipys_beta_distribution():
    from scipy.stats import beta

    tail = (1 - 0.95) / 2
    for n in (20, 26, 59, 300):
        for hits in (1, 2.5, n // 3, n - 1):
            found = rate(hits, n)
            assert found.low == beta.ppf(tail, hits, n - hits + 1)
            assert found.high == beta.ppf(1 - tail, hits + 1, n - hits)


def test_the_fortran_front_end_is_not_imported_and_still_there():
    code = (
        "import sys; from bench.stats.special import special; special().ndtr(0.0)\n"
        "before = 'numpy.f2py' in sys.modules\n"
        "import numpy; print(before, callable(numpy.f2py.run_main))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
