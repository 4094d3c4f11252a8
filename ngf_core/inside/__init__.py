"""What happens inside a model: features, answers, channels and saliency, with and without trigger.
"""
