"""Commands to charge points: ordered over REST, kept in a table, sent once, ended once (journey b).

The table is the truth, and the only place where the API and the connections meet. `orders` puts
commands in, `table` moves them from state to state, `ends` carries their outcome into our state.
Nothing here talks to a charge point or knows HTTP.
"""

from __future__ import annotations
