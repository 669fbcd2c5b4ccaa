"""What a finished suite says: tables, figures and a report."""
