"""Studies where crystals and light meet: train, map, sweep, drift, export, report."""
