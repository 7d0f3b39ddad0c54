"""The app: layout and wiring over `diffusionret.Retriever`, one file a tab. Nothing here ranks anything."""
