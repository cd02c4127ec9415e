//! Bencode (BEP 3), zero-copy: a cursor over borrowed bytes, and helpers that append to a buffer.
//!
//! Reading allocates nothing and trusts no length or nesting that the input claims. [`Reader`] is
//! tolerant where tolerance is safe (unsorted or doubled keys, leading zeros), because what comes
//! from real clients is; [`is_one_element`] is strict, because a value is signed and hashed in its
//! one canonical form (BEP 44).

/// The deepest nesting of lists and dictionaries that is read; deeper input is refused.
///
/// A message of BEP 5 or 44 needs 2 levels of its own plus those of the stored value.
pub const MAX_DEPTH: u32 = 16;
/// The deepest nesting within a stored value: what [`MAX_DEPTH`] leaves inside a message's
/// top-level dictionary and its arguments.
pub const MAX_VALUE_DEPTH: u32 = MAX_DEPTH - 2;

/// Why bytes are not bencode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The input ends within an element.
    #[error("truncated")]
    Truncated,
    /// A byte that can't stand where it stands.
    #[error("not bencoded")]
    Unexpected,
    /// Lists and dictionaries are nested deeper than [`MAX_DEPTH`].
    #[error("nested too deep")]
    TooDeep,
    /// An integer beyond 64 bits. The cursor stands behind it.
    #[error("integer out of range")]
    IntegerRange,
    /// Not in canonical form: keys unsorted or doubled, or superfluous zeros.
    #[error("not canonical")]
    NotCanonical,
}

/// Whether `bytes` is exactly one well-formed, canonical element of any type, as BEP 44 demands of
/// a stored value: keys are strings in strictly ascending order, integers and lengths carry no
/// superfluous zero or sign, nothing follows, and nesting stays within [`MAX_VALUE_DEPTH`].
/// Integers may have any number of digits, as in BEP 3.
pub fn is_one_element(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    reader.walk::<true>(MAX_VALUE_DEPTH).is_ok() && reader.rest.is_empty()
}

/// A cursor over bencoded bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte, which tells the type of the next element.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Enters a dictionary; keys and values follow until [`Reader::end`] is true.
    #[inline]
    pub fn dictionary(&mut self) -> Result<(), Fault> {
        self.expect(b'd')
    }

    /// Enters a list; elements follow until [`Reader::end`] is true.
    #[inline]
    pub fn list(&mut self) -> Result<(), Fault> {
        self.expect(b'l')
    }

    /// Leaves a list or dictionary if this is its end.
    #[inline]
    pub fn end(&mut self) -> bool {
        self.expect(b'e').is_ok()
    }

    /// Reads a string.
    #[inline]
    pub fn string(&mut self) -> Result<&'a [u8], Fault> {
        self.string_in::<false>()
    }

    /// Reads an integer. One that exceeds 64 bits is an error, with the cursor behind it.
    pub fn integer(&mut self) -> Result<i64, Fault> {
        parse_integer(self.digits()?)
    }

    /// Passes over one element of any type and returns its bytes, at most `depth` levels deep.
    pub fn element(&mut self, depth: u32) -> Result<&'a [u8], Fault> {
        let start = self.rest;
        self.walk::<false>(depth)?;
        let length = start.len() - self.rest.len();
        start.get(..length).ok_or(Fault::Truncated)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                Ok(())
            }
            Some(_) => Err(Fault::Unexpected),
            None => Err(Fault::Truncated),
        }
    }

    #[inline]
    fn string_in<const STRICT: bool>(&mut self) -> Result<&'a [u8], Fault> {
        let (first, mut rest) = self.rest.split_first().ok_or(Fault::Truncated)?;
        let mut length = digit(*first).ok_or(Fault::Unexpected)?;
        loop {
            let (byte, after) = rest.split_first().ok_or(Fault::Truncated)?;
            rest = after;
            if *byte == b':' {
                break;
            }
            if STRICT && length == 0 {
                return Err(Fault::NotCanonical);
            }
            // No overflow: beyond the rest of the input, the length is refused at once.
            length = length * 10 + digit(*byte).ok_or(Fault::Unexpected)?;
            if length > rest.len() {
                return Err(Fault::Truncated);
            }
        }
        let (string, rest) = rest.split_at_checked(length).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(string)
    }

    /// What stands between the `i` and the `e` of an integer.
    fn digits(&mut self) -> Result<&'a [u8], Fault> {
        self.expect(b'i')?;
        let length = self.rest.iter().position(|byte| *byte == b'e').ok_or(Fault::Truncated)?;
        let (digits, rest) = self.rest.split_at_checked(length).ok_or(Fault::Truncated)?;
        let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
        if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
            return Err(Fault::Unexpected);
        }
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(digits)
    }

    /// Passes over one element. Nesting is kept in bits, not on the call stack.
    fn walk<const STRICT: bool>(&mut self, limit: u32) -> Result<(), Fault> {
        let limit = limit.min(MAX_DEPTH);
        // One bit a level, the lowest is the innermost; set: a dictionary.
        let mut dictionaries = 0_u32;
        let mut depth = 0;
        let mut keys = LastKeys::default();
        loop {
            if depth > 0 {
                if self.end() {
                    depth -= 1;
                    dictionaries >>= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                    continue;
                }
                if dictionaries & 1 == 1 {
                    let key = self.string_in::<STRICT>()?;
                    if STRICT && !keys.ascend(depth, key) {
                        return Err(Fault::NotCanonical);
                    }
                }
            }
            match self.peek().ok_or(Fault::Truncated)? {
                opening @ (b'd' | b'l') => {
                    if depth == limit {
                        return Err(Fault::TooDeep);
                    }
                    self.expect(opening)?;
                    depth += 1;
                    dictionaries = dictionaries << 1 | u32::from(opening == b'd');
                    if STRICT {
                        keys.open(depth);
                    }
                    continue;
                }
                b'i' => {
                    let digits = self.digits()?;
                    if STRICT && !is_canonical_integer(digits) {
                        return Err(Fault::NotCanonical);
                    }
                }
                _ => {
                    self.string_in::<STRICT>()?;
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

/// The last key read at each level, to see that keys ascend.
#[derive(Default)]
struct LastKeys<'a>([Option<&'a [u8]>; MAX_DEPTH as usize + 1]);

impl<'a> LastKeys<'a> {
    fn open(&mut self, depth: u32) {
        if let Some(last) = self.0.get_mut(depth as usize) {
            *last = None;
        }
    }

    fn ascend(&mut self, depth: u32, key: &'a [u8]) -> bool {
        self.0
            .get_mut(depth as usize)
            .is_some_and(|last| last.replace(key).is_none_or(|last| last < key))
    }
}

fn digit(byte: u8) -> Option<usize> {
    byte.is_ascii_digit().then(|| usize::from(byte - b'0'))
}

/// `digits` holds an optional minus and at least one digit.
fn parse_integer(digits: &[u8]) -> Result<i64, Fault> {
    let (unsigned, sign) = match digits.strip_prefix(b"-") {
        Some(unsigned) => (unsigned, -1),
        None => (digits, 1),
    };
    unsigned
        .iter()
        .try_fold(0_i64, |number, byte| {
            number.checked_mul(10)?.checked_add(sign * i64::from(byte.wrapping_sub(b'0')))
        })
        .ok_or(Fault::IntegerRange)
}

fn is_canonical_integer(digits: &[u8]) -> bool {
    match digits {
        [b'0'] => true,
        [b'0', ..] | [b'-', b'0', ..] => false,
        _ => true,
    }
}

/// Appends a string.
#[inline]
pub fn write_string(out: &mut Vec<u8>, string: &[u8]) {
    write_decimal(out, string.len() as u64);
    out.push(b':');
    out.extend_from_slice(string);
}

/// Appends an integer.
pub fn write_integer(out: &mut Vec<u8>, number: i64) {
    out.push(b'i');
    if number < 0 {
        out.push(b'-');
    }
    write_decimal(out, number.unsigned_abs());
    out.push(b'e');
}

/// Appends a number in decimal digits.
#[inline]
fn write_decimal(out: &mut Vec<u8>, mut number: u64) {
    // Nearly all are lengths of one or two digits.
    if let Ok(small @ 0..10) = u8::try_from(number) {
        out.push(b'0' + small);
        return;
    }
    let mut digits = [0; 20];
    let mut used = 0;
    for place in digits.iter_mut().rev() {
        // The remainder of a division by ten is a digit.
        *place = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let (_, written) = digits.split_at(digits.len() - used);
    out.extend_from_slice(written);
}

#[cfg(test)]
mod tests;
