"""Which score tells unusual queries from ordinary ones, and whether the generator helps: `python -m analysis.ood`.

Writes results/ood.json. Settings are chosen on kinds of unusual queries that the test does not hold. The endpoint,
fixed beforehand, is the mean AUROC over near and gallery-absent queries: in a closed world the share of unseen words
finds nearly all of the far ones. What wins becomes the app's detector: it is written beside the bundled model, and
`calibrate` uses it.
"""
