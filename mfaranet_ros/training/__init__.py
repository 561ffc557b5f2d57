"""Training: datasets, augmentation, the published loss, and one readable loop."""
