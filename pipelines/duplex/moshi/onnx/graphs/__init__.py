"""What writes the graphs: nodes, layers, and the models that are made of them."""
