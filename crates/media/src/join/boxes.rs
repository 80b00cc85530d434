//! Boxes as bytes.

/// A box of these bodies, one behind the other.
pub(super) fn boxed(kind: &[u8; 4], bodies: &[&[u8]]) -> Vec<u8> {
    let length = bodies.iter().fold(8_usize, |sum, body| sum.saturating_add(body.len()));
    let mut bytes = Vec::with_capacity(length);
    // An index is far smaller than 4 GiB: what it is made of is counted before.
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(kind);
    bodies.iter().for_each(|body| bytes.extend_from_slice(body));
    bytes
}

/// The same of numbers of 32 bits: version and flags first.
pub(super) fn numbers(kind: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
    boxed(kind, &[&packed(numbers)])
}

/// A table: version and flags, how many rows, and the rows.
pub(super) fn rows<const N: usize>(kind: &[u8; 4], rows: &[[u32; N]]) -> Vec<u8> {
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    boxed(kind, &[&packed(&[0, count]), &packed(rows.as_flattened())])
}

/// Numbers as they stand in boxes.
pub(super) fn packed(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// Adds a value to a table of runs.
pub(super) fn run(rows: &mut Vec<[u32; 2]>, value: u32) {
    match rows.last_mut() {
        Some([count, last]) if *last == value => *count = count.saturating_add(1),
        _ => rows.push([1, value]),
    }
}
