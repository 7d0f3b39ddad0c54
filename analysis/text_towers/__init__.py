"""What do tokens that know English give the text tower? `python -m analysis.text_towers`

The text tower of the bundled model is trained anew by the objectives of the preset storybook-text, on the image side of
the bundled model: over a learned table of tokens as CLIP has it; over frozen ones of a sentence encoder, of 64, 128 and
192 dimensions; over the one of 128 whose rows may move where training has their words; and with the sentence encoder's
vectors of whole texts as one more thing that the end token must tell. The tables are made first
(`python -m diffusionret tokens --dim N --runs runs/text-towers/N`). Every run is judged by similarity alone, on the
words and queries of validation, by which a table is chosen, and on the visitors' list and the captions of test clips.
`--only TABLE SEED` trains one, so that several may run side by side; without it what is missing is trained and
everything is measured, or with `--measure` only what is there.
"""
