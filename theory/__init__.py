"""What is true in Li & Wang (2020): the simplex, the bounds, the margins, the claims. Knows no torch, no
data."""
