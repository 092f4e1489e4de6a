"""The numbered sections of a pack (regulations, section C), as chapters for the PDF engine."""
