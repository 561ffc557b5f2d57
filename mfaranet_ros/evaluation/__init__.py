"""How good a network is: confusion matrix, scores, and the ways of running it over pictures."""
