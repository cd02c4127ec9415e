//! The `polykad` program.

fn main() {}
