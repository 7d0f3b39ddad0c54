"""Is a query inside what the system knows? Two calibrated answers: familiar to the model, matched by the gallery.

scores.py makes numbers of a query, larger = more unusual. conformal.py makes p-values of them, against those of
calibration queries. detector.py holds the calibrations that fit a model and a gallery, and answers; report.py words it.
"""
