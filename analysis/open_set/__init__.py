"""Do the samples of the open-set generator mean what they say? `python -m analysis.open_set [--models DIR ...]`

Calibration, retrieval, several clips that fit, queries without a match, and what the noise decides, beside the
similarity, probabilities fitted to it, and the published generator. On the test split and on the second look of the
world; what is fitted, is fitted on validation. --models: the models to measure, the first in full, the others, trained
from other seeds on the same features, for how far their figures lie apart.
"""
