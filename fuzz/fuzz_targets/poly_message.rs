//! Runs [`fuzz::poly_message`]: under `cargo fuzz` on what it invents, else on the files named.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::poly_message(bytes));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    fuzz::replay(fuzz::poly_message)
}
