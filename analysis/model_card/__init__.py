"""Write assets/models/storybook/README.md, and the results and the speed in the README of the project, from what is
recorded in analysis/results/: `python -m analysis.model_card`.

Every figure comes from a recorded result, next to the command that made it. With --runs FOLDER, the folder of the
trainings' checkpoints and records, training.json is written first.
"""
