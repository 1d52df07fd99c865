"""Records and claims in; figures, tables and the ledger out. Trains nothing.

Its modules:

- What is read: `records`, in packs that are listed in `committed`.
- Statistics: `paired` (differences by seed), `plateau` (where accuracy stops rising), `contrasts` (a claim's numbers
  against its bounds).
- Figures and tables: `figures` (Fig. 4), `figures_angles` (Fig. 5), `figures_epochs`, `figures_geometry`,
  `figures_network`, `figures_overfitting`, `figures_theory`, `figures_width`, all with `drawing` and `captions`;
  `tables` and `paper_tables`.
- Claims of measurements: `experiments` has all of them, from `experiments_width`, `experiments_loss`,
  `experiments_geometry`, `experiments_times` and `experiments_tables`; `experiment` says what one is, `evidence` what
  it is judged on.
- The ledger: `verdicts` joins those and the claims of `theory`; `unjudged` has what is none; `ledger` writes them,
  `page` (with `page_style`, `mathtext`) as HTML.
- Advice: `advise`, with `widths`, `embeddings`, `remedy` and `recommend`.
- Command lines: `__main__` (``python -m analysis``), `ledger`, `advise`.

To add a claim, add an `Experiment` to the module of its subject, with the bound that would refute it.
"""

from theory import console

console.begin()
