//! Code points of colour (ITU-T H.273) by FFmpeg's names, and the box that tells them (`colr`, 14496-12, 12.1.5).

use seedpost_core::media::ColourInfo;

const PRIMARIES: &[(u8, &str)] = &[
    (1, "bt709"),
    (4, "bt470m"),
    (5, "bt470bg"),
    (6, "smpte170m"),
    (7, "smpte240m"),
    (8, "film"),
    (9, "bt2020"),
    (10, "smpte428"),
    (11, "smpte431"),
    (12, "smpte432"),
    (22, "ebu3213"),
];

const TRANSFERS: &[(u8, &str)] = &[
    (1, "bt709"),
    (4, "bt470m"),
    (5, "bt470bg"),
    (6, "smpte170m"),
    (7, "smpte240m"),
    (8, "linear"),
    (9, "log100"),
    (10, "log316"),
    (11, "iec61966-2-4"),
    (12, "bt1361e"),
    (13, "iec61966-2-1"),
    (14, "bt2020-10"),
    (15, "bt2020-12"),
    (16, "smpte2084"),
    (17, "smpte428"),
    (18, "arib-std-b67"),
];

const MATRICES: &[(u8, &str)] = &[
    (0, "gbr"),
    (1, "bt709"),
    (4, "fcc"),
    (5, "bt470bg"),
    (6, "smpte170m"),
    (7, "smpte240m"),
    (8, "ycgco"),
    (9, "bt2020nc"),
    (10, "bt2020c"),
    (11, "smpte2085"),
    (12, "chroma-derived-nc"),
    (13, "chroma-derived-c"),
    (14, "ictcp"),
];

/// Names the range and the three code points: primaries, transfer, matrix. What is unspecified stays unknown.
pub(super) fn named(full: Option<bool>, points: Option<[u8; 3]>) -> ColourInfo {
    let name = |table: &[(u8, &str)], point: Option<u8>| {
        let point = point?;
        table.iter().find(|(known, _)| *known == point).map(|(_, name)| (*name).to_owned())
    };
    let [primaries, transfer, matrix] = points.map_or([None; 3], |points| points.map(Some));
    ColourInfo {
        range: full.map(|full| if full { "pc" } else { "tv" }.to_owned()),
        primaries: name(PRIMARIES, primaries),
        transfer: name(TRANSFERS, transfer),
        matrix: name(MATRICES, matrix),
    }
}

/// Reads the body of a `colr`: `nclx`, or QuickTime's `nclc`, which tells no range; nothing of a profile.
pub(super) fn of_box(body: &[u8]) -> ColourInfo {
    let Some(([kind @ .., _, p, _, t, _, m], rest)) = body.split_first_chunk::<10>() else {
        return ColourInfo::default();
    };
    match kind {
        b"nclx" => named(rest.first().map(|flags| flags & 0x80 != 0), Some([*p, *t, *m])),
        b"nclc" => named(None, Some([*p, *t, *m])),
        _ => ColourInfo::default(),
    }
}

/// Of each part, what `first` tells, else what `second` does.
pub(super) fn first_told(first: ColourInfo, second: ColourInfo) -> ColourInfo {
    ColourInfo {
        range: first.range.or(second.range),
        primaries: first.primaries.or(second.primaries),
        transfer: first.transfer.or(second.transfer),
        matrix: first.matrix.or(second.matrix),
    }
}
