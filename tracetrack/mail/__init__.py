"""E-mails: one row and one job in the transaction of the deed, sent by the worker."""
