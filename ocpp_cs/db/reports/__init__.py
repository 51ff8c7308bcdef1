"""Reports: figures per group and bucket of time, computed a range of buckets at a time.

Plain lists of rows are in `queries`. A report reads in many small steps of its own, each within
`Engine.read`, so that neither a database connection nor the event loop is held for long; what it
returns are finished values.
"""

from ocpp_cs.db.reports.energy import EnergyFilter, EnergyRow, energy_report
from ocpp_cs.db.reports.grouping import LONGEST, MOST_BUCKETS, Grouping, TooLarge
from ocpp_cs.db.reports.pages import Pages
from ocpp_cs.db.reports.utilisation import UtilisationFilter, UtilisationRow, utilisation_report

__all__ = [
    "LONGEST",
    "MOST_BUCKETS",
    "EnergyFilter",
    "EnergyRow",
    "Grouping",
    "Pages",
    "TooLarge",
    "UtilisationFilter",
    "UtilisationRow",
    "energy_report",
    "utilisation_report",
]
