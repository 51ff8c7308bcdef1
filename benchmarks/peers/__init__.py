"""Other central systems, made as their libraries' own examples make them, to be measured beside."""
