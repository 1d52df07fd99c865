"""Train a small CNN over many widths of the layer before its classifier. Plots nothing."""
