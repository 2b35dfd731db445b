"""The operators inside other libraries; each adapter is imported by name, and imports its library then."""
