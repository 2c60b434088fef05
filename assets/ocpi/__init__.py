"""OCPI 2.2.1 as a smart charging service provider (SCSP): partners whose platform speaks it need no code for us.

Pure: `wire` (envelope, instants, tokens on the wire), `objects` (Session, Location), `profiles` (charging profiles),
`metering` (energy per quarter hour from charging periods), `parties` (versions, endpoints, credentials). The rest knows
the database: `tokens`, `connections` and `handshake` (who the peer is), `receiving`, `pulling` and `metered` (what it
tells), `commands`, `sending` and `results` (what it is told).

Section numbers refer to the OCPI 2.2.1-d2 specification by module name.
"""
