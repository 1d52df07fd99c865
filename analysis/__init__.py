"""Records and claims in; figures, tables and the ledger out. Trains nothing."""
