"""Board design: rules, placement, routing and pours, valid by construction."""
