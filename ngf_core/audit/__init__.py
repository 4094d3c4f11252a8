"""Whether pairs of models show a change of sharpness: measures, controls, verdict."""
