"""From feature maps to symbols: quantisers fitted on the fit part, and the rates of what they send."""
