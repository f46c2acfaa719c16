"""Models with random weights: real shapes, real files, real loaders, and nothing to say."""
