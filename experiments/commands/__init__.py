"""Commands of ``lightframe``, one file each; heavy imports wait until a command runs."""
