"""Curation: reports, audits and FiftyOne sessions."""
