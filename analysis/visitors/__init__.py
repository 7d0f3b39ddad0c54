"""Does the first result fit what people type? `python -m analysis.visitors [--models DIR ...] [--half work|reserved]`

Queries by kind: templates as people type them (list.json, written by somebody who knew the world's words and nothing
else of the project, before any training text was), filled with the facts of test clips. Templates and unseen words are
halved once and for all: one half is for work, the other is scored when work is over.
"""
