"""Plain data that every layer speaks: nothing but the standard library."""
