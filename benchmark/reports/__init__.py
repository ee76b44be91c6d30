"""Tables, figures and pages made from findings."""
