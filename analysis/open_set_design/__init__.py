"""Why the open-set generator is built and trained as it is: one thing changed at a time.

`python -m analysis.open_set_design`

Every variant is trained from new weights on the frozen features of the bundled model, for fewer steps than the bundled
generator and towards text queries only, and asked the same natural captions of validation, a share of them without
what fits, with as many noises as an answer takes. Intervals of the difference to the base are over queries,
whose losses are first averaged over the training seeds; a difference counts as clear where its interval excludes zero
and every training seed agrees on its sign.
"""
