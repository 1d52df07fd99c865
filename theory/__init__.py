"""What is true in Li & Wang (2020): the simplex, the bounds, the margins, the claims. Knows no torch, no data.

Its modules:

- The width: `simplex` has W_C, `bounds` the best possible angle at any width, from `code_bounds` (upper bounds),
  `spherical_codes` (known codes), `code_search` (a search, and certificates) and `kept_codes` (what it found).
- The loss: `margin` has where training and test draw their boundaries.
- The claims: `claims` has all of them, from `claims_intro`, `claims_margins`, `claims_simplex`, `claims_width`,
  `claims_loss`, `claims_training`, `claims_features`, `claims_tables`, `claims_faces` and `claims_subsets`; `claim`
  says what one is, `proof` how it is proved. They share `exact` (rationals), `plane` (two weights and a feature),
  `printed_tables` and `printed_comparison`.
- Command lines: `verify`, and `bounds`; `console` has what all of the project's share.

To add a claim, add it to the module of its section with mutants that must fail.
"""

from theory import console

console.begin()
