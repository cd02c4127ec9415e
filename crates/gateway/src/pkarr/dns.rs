//! As much of a DNS packet (RFC 1035, section 4) as tells how long it may be kept.

/// The least time to live of a packet's answers, in seconds; the greatest there is if it has none.
/// `None`: it is no DNS packet.
pub(super) fn least_ttl(packet: &[u8]) -> Option<u32> {
    let mut at = 12;
    let count = |place: usize| {
        let bytes = packet.get(place..place + 2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    let (questions, answers) = (count(4)?, count(6)?);
    packet.get(..at)?;
    for _ in 0..questions {
        at = skip_name(packet, at)? + 4;
    }
    let mut least = u32::MAX;
    for _ in 0..answers {
        at = skip_name(packet, at)?;
        let ttl = packet.get(at + 4..at + 8)?;
        least = least.min(u32::from_be_bytes(ttl.try_into().ok()?));
        at += 10 + usize::from(count(at + 8)?);
        packet.get(..at)?;
    }
    Some(least)
}

/// Where a name ends: at its root, or at a pointer to the rest.
fn skip_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            192..=255 => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
