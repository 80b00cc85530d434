//! One line of an edit decision list.

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::import) enum Line<'a> {
    Title(&'a str),
    /// The way of counting from here on: whether drop-frame.
    Counting(bool),
    Event(EventLine<'a>),
    /// A speed: the number as it stands, and the rest.
    Speed(&'a str),
    Freeze,
    /// `FROM CLIP NAME`, and the like: the key and what stands after it.
    Comment(&'a str, &'a str),
    Marker,
    Other,
    /// It begins like an event, and is none.
    Broken,
}

/// A line of an event, fields as they stand.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::import) struct EventLine<'a> {
    pub(in crate::import) number: &'a str,
    pub(in crate::import) reel: String,
    pub(in crate::import) channels: &'a str,
    pub(in crate::import) transition: &'a str,
    /// Frames of a transition.
    pub(in crate::import) operand: Option<&'a str>,
    /// Source in and out, record in and out.
    pub(in crate::import) times: [&'a str; 4],
}

/// Comments that name something.
const KEYS: [&str; 8] = [
    "FROM CLIP NAME",
    "TO CLIP NAME",
    "SOURCE FILE",
    "FROM CLIP",
    "FROM FILE",
    "TO CLIP",
    "TO FILE",
    "OTIO REFERENCE FROM",
];

pub(in crate::import) fn parse(line: &str) -> Line<'_> {
    let line = line.trim();
    if let Some(title) = line.strip_prefix("TITLE:") {
        return Line::Title(title.trim());
    }
    if let Some(counting) = line.strip_prefix("FCM:") {
        return Line::Counting(counting.trim().starts_with("DROP"));
    }
    if line.starts_with(|c: char| c.is_ascii_digit()) {
        return event(line).map_or(Line::Broken, Line::Event);
    }
    if line.starts_with("M2 ") || line.starts_with("M2\t") {
        // The reel, which may have spaces, the speed and the first frame.
        return Line::Speed(line.split_whitespace().rev().nth(1).unwrap_or_default());
    }
    comment(line)
}

fn comment(line: &str) -> Line<'_> {
    let text = line.trim_start_matches(['*', ' ', '\t']);
    if text.starts_with("FREEZE FRAME") {
        return Line::Freeze;
    }
    if text.starts_with("LOC:") {
        return Line::Marker;
    }
    let keyed = text.split_once(':').filter(|(key, _)| KEYS.contains(&key.trim()));
    keyed.map_or(Line::Other, |(key, value)| Line::Comment(key.trim(), value.trim()))
}

/// Fields from the right, since only a reel may have spaces, or be left out.
fn event(line: &str) -> Option<EventLine<'_>> {
    let mut fields = line.split_whitespace();
    let number = fields.next().filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    let mut back = || fields.next_back();
    let (record_out, record_in, source_out, source_in) = (back()?, back()?, back()?, back()?);
    let last = back()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    let (transition, operand) = if is_number { (back()?, Some(last)) } else { (last, None) };
    let channels = back()?;
    let reel = fields.collect::<Vec<_>>().join(" ");
    let times = [source_in, source_out, record_in, record_out];
    times.iter().all(|time| is_time(time)).then_some(EventLine { number, reel, channels, transition, operand, times })
}

fn is_time(text: &str) -> bool {
    text.contains(':') && text.bytes().all(|byte| byte.is_ascii_digit() || b":;.".contains(&byte))
}

/// What a channel field names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::import) struct Channels {
    /// The number of the picture track.
    pub(in crate::import) picture: Option<u32>,
    pub(in crate::import) sound: bool,
}

/// Reads `V`, `V2`, `B`, `A2`, `AA/V`, `VA1A2`, `NONE`; `None` where it is none of those.
pub(in crate::import) fn channels(field: &str) -> Option<Channels> {
    let mut found = Channels::default();
    if matches!(field, "B" | "NONE") {
        return Some(Channels { picture: (field == "B").then_some(1), sound: true });
    }
    for part in field.split('/') {
        let sound = match part.strip_prefix('V') {
            Some(rest) => {
                let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let (number, rest) = rest.split_at(digits);
                found.picture = Some(if number.is_empty() { 1 } else { number.parse().ok()? });
                rest
            }
            None => part,
        };
        if !sound.bytes().all(|byte| byte == b'A' || byte.is_ascii_digit()) {
            return None;
        }
        found.sound |= !sound.is_empty();
    }
    (found.sound || found.picture.is_some()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_from_the_right() {
        let Line::Event(event) = parse("002  MY REEL  AA/V  D    012 0:0 1:0 2:0 3:0\r") else { panic!("an event") };
        assert_eq!((event.number, event.reel.as_str(), event.channels), ("002", "MY REEL", "AA/V"));
        assert_eq!((event.transition, event.operand, event.times[3]), ("D", Some("012"), "3:0"));
        assert_eq!(parse("* FROM CLIP NAME:  A.mov "), Line::Comment("FROM CLIP NAME", "A.mov"));
        assert_eq!(parse("M2   A B       048.0    00:00:00:00"), Line::Speed("048.0"));
        assert_eq!(parse("* * FREEZE FRAME"), Line::Freeze);
        assert_eq!(parse("FCM: NON-DROP FRAME"), Line::Counting(false));
        assert_eq!(parse("12 monkeys"), Line::Broken);
    }

    #[test]
    fn channels_are_picture_sound_or_both() {
        let of = |picture, sound| Some(Channels { picture, sound });
        for (field, expected) in [
            ("V", of(Some(1), false)),
            ("V2", of(Some(2), false)),
            ("B", of(Some(1), true)),
            ("A2/V", of(Some(1), true)),
            ("VA1A2", of(Some(1), true)),
            ("AA", of(None, true)),
            ("NONE", of(None, true)),
            ("REEL", None),
            ("V99999999999", None),
        ] {
            assert_eq!(channels(field), expected, "{field}");
        }
    }
}
