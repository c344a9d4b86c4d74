"""What written and trained models share: blocks and activations."""
