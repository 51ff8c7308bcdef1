"""CSV files that an operator brings: read whole, judged line by line, taken all or not at all.

Nothing here knows HTTP or a terminal. A file is read and compared beside the writer, which charge
points wait for; what it changes is written in one transaction.
"""

from ocpp_cs.imports.csv_files import Fault, ImportRefused, Report

__all__ = ["Fault", "ImportRefused", "Report"]
