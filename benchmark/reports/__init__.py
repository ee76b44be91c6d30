"""Tables, figures and pages built from findings."""
