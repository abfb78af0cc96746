"""What parameters cost: arithmetic, bytes that move, cache and memory, all from shapes and a configuration."""
