"""The words of visitors: which there are, what they say of the world, and who may see them."""
