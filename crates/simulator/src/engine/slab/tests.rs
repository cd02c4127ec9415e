use super::*;

#[test]
fn messages_of_any_length_come_out_as_they_went_in() {
    let mut slab = Slab::default();
    let messages: Vec<Vec<u8>> = [0, 1, 319, 320, 321, 1280, 1281, 70_000]
        .into_iter()
        .map(|length| (0..length).map(|at: u32| (at * 7 + length).to_le_bytes()[0]).collect())
        .collect();
    let numbers: Vec<u32> = messages.iter().map(|message| slab.store(message)).collect();
    let copies: Vec<u32> = numbers.iter().map(|number| slab.copy(*number)).collect();
    assert_eq!(slab.in_use(), 16);
    let mut buffer = vec![9; 50];
    for ((message, number), copy) in messages.iter().zip(numbers).zip(copies) {
        slab.prefetch(number);
        assert_eq!(slab.message(number), message);
        slab.take(number, &mut buffer);
        assert_eq!((&buffer, slab.message(copy)), (message, &message[..]));
        slab.free(copy);
    }
    assert_eq!(slab.in_use(), 0);
    // Places are used again.
    let (first, second) = (slab.store(b"first"), slab.store(b"second"));
    assert_eq!((slab.message(first), slab.message(second)), (&b"first"[..], &b"second"[..]));
    assert_eq!(slab.small.lengths.len(), 8);
}
