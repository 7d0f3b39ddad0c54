"""Does the open-set generator mean what it says? `python -m analysis.open_set [--models DIR ...]`

The match head: are p(match) and p(no match) as shown what they claim to be, at other shares of queries without a match,
beside what similarity alone can say; which of the candidates all match. The draws: are they spread over what fits, as
the head says, as the first step says, and does the noise decide as much as the query leaves open. Ranking with and
without the head. On captions with omissions and on queries as people type them, of the test split; and on captions of
the second look of the world, also recalibrated on fifty of them. What is fitted, is fitted on validation. --models: the
models to measure, the first in full, the others, trained from other seeds on the same features, for how far their
figures lie apart.
"""
