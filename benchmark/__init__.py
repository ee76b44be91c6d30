"""The comparison: protocols, budgets, tuning, records, statistics, tables and figures."""
