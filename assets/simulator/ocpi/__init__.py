"""A simulated partner that speaks OCPI 2.2.1, as a CPO, instead of our own REST interface.

Charging profiles become setpoints of the same inbox and schedule, so the same physics obeys them. OCPI has no place for
meter values per quarter hour: those still go over REST, as docs/ocpi.md agrees with every partner.
"""
