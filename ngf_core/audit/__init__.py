"""One pair of models: every sharpness measure, and the controls that would expose a fake."""
