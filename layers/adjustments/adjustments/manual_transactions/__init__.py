"""Manual transactions: one adjustment with its own ``transactionId``, applied exactly once."""
