"""Pure computation over columns: counts, intervals, fairness, calibration, profiles, charts. No Django."""
