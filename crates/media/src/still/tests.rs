//! Still pictures against what ImageMagick's `identify` and exiftool say of them.
#![allow(clippy::disallowed_methods, reason = "a test opens its own files")]

use std::io::Cursor;
use std::path::PathBuf;

use image::{DynamicImage, GenericImageView};

use seedpost_core::media::{Colour, StillInfo};

use super::{StillCopy, StillTarget, conform, facts};
use crate::MediaError;
use crate::probe::probe;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/media").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn measure(bytes: Vec<u8>) -> Result<StillInfo, MediaError> {
    probe(Cursor::new(bytes)).map(|info| info.still.expect("a still picture"))
}

fn copy(bytes: Vec<u8>, size: (u32, u32), max_bytes: u64) -> Result<StillCopy, MediaError> {
    conform(Cursor::new(bytes), StillTarget { size, max_bytes })
}

fn seen(copy: &StillCopy) -> DynamicImage {
    let format = image::guess_format(&copy.bytes).expect("a picture");
    assert!(format.extensions_str().contains(&copy.format));
    image::load_from_memory(&copy.bytes).expect("a picture that can be read")
}

const PICTURES: [&str; 22] = [
    "dot.png",
    "dot.jpg",
    "dot.webp",
    "orient6.jpg",
    "orient8.png",
    "orient3.webp",
    "orient5.tiff",
    "progressive.jpg",
    "gray.jpg",
    "cmyk.jpg",
    "cmyk.tiff",
    "gray.png",
    "alpha.png",
    "alpha.webp",
    "trns.png",
    "dot.bmp",
    "dot.gif",
    "dot.tiff",
    "dot.heic",
    "anim.gif",
    "anim.png",
    "anim.webp",
];

#[test]
fn pictures_are_what_other_readers_say() {
    use Colour::{Cmyk, Grey, Rgb};
    let check = |name: &str, size: (u32, u32), orientation, animated, colour, alpha| {
        let copyable = name != "dot.heic";
        let expected = StillInfo { width: size.0, height: size.1, orientation, animated, colour, alpha, copyable };
        let found = measure(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found, expected, "{name}");
    };
    check("dot.png", (16, 16), 1, false, Some(Rgb), false);
    check("dot.jpg", (16, 16), 1, false, Some(Rgb), false);
    check("dot.webp", (16, 16), 1, false, Some(Rgb), false);
    check("orient6.jpg", (32, 16), 6, false, Some(Rgb), false);
    check("orient8.png", (32, 16), 8, false, Some(Rgb), false);
    check("orient3.webp", (32, 16), 3, false, Some(Rgb), false);
    check("orient5.tiff", (32, 16), 5, false, Some(Rgb), false);
    check("progressive.jpg", (32, 16), 1, false, Some(Rgb), false);
    check("gray.jpg", (16, 16), 1, false, Some(Grey), false);
    check("cmyk.jpg", (32, 16), 1, false, Some(Cmyk), false);
    check("cmyk.tiff", (32, 16), 1, false, Some(Cmyk), false);
    check("gray.png", (16, 16), 1, false, Some(Grey), false);
    check("alpha.png", (16, 16), 1, false, Some(Rgb), true);
    check("alpha.webp", (16, 16), 1, false, Some(Rgb), true);
    check("trns.png", (16, 16), 1, false, Some(Rgb), true);
    check("dot.bmp", (5, 5), 1, false, Some(Rgb), false);
    check("dot.gif", (16, 16), 1, false, Some(Rgb), false);
    check("dot.tiff", (16, 16), 1, false, Some(Rgb), false);
    check("dot.heic", (64, 64), 1, false, None, false);
    check("anim.gif", (16, 8), 1, true, Some(Rgb), true);
    check("anim.png", (16, 8), 1, true, Some(Rgb), false);
    check("anim.webp", (16, 8), 1, true, Some(Rgb), false);
}

#[test]
fn hostile_pictures_are_refused_by_their_headers() {
    for name in [
        "jpeg_cut.jpg",
        "jpeg_cut_behind_thumbnail.jpg",
        "jpeg_width_zero.jpg",
        "png_without_iend.png",
        "png_side_zero.png",
        "apng_frames_lie.png",
        "gif_without_trailer.gif",
        "gif_screen_zero.gif",
        "gif_frame_past_screen.gif",
        "webp_riff_past_end.webp",
        "webp_chunk_past_end.webp",
        "bmp_rows_past_end.bmp",
        "tiff_strip_past_end.tiff",
        "tiff_tag_count_lies.tiff",
    ] {
        let found = measure(fixture(&format!("hostile/{name}")));
        assert!(matches!(found, Err(MediaError::Malformed { .. })), "{name}: {found:?}");
    }
    for (name, side) in [("png_side_2e18.png", 1 << 18), ("png_sides_2e31.png", 1 << 31)] {
        let found = measure(fixture(&format!("hostile/{name}")));
        assert!(matches!(found, Err(MediaError::Limit { found, .. }) if found == side), "{name}: {found:?}");
    }
}

#[test]
fn a_picture_too_large_to_decode_is_measured_and_not_copied() {
    let bytes = fixture("hostile/png_sides_100000.png");
    let facts = measure(bytes.clone()).expect("facts");
    assert_eq!((facts.width, facts.copyable), (100_000, false));
    let found = copy(bytes, (16, 16), 1 << 20);
    assert!(matches!(found, Err(MediaError::Unsupported(_))), "{found:?}");
}

#[test]
fn junk_behind_a_jpeg_is_no_fault_but_must_follow_its_end() {
    let mut bytes = fixture("orient6.jpg");
    bytes.extend(vec![0x11; 200_000]);
    assert!(measure(bytes).is_ok());
    let mut cut = fixture("hostile/jpeg_cut.jpg");
    cut.extend(vec![0x11; 200_000]);
    assert!(measure(cut).is_err());
}

/// A JPEG whose headers never end, as if of a gigabyte: only so much of it is read.
#[test]
fn endless_headers_are_a_limit() {
    let mut bytes = vec![0xff, 0xd8];
    while bytes.len() < 40 << 20 {
        bytes.extend([0xff, 0xe2, 0xff, 0xff]);
        bytes.extend(b"ICC_PROFILE\0\x01\xff");
        bytes.resize(bytes.len() + 65_533 - 14, 0);
    }
    let found = facts(&mut Cursor::new(bytes), "jpeg");
    assert!(matches!(found, Err(MediaError::Limit { .. })), "{found:?}");
}

/// Red and green above, blue and white below, as stored; each orientation turns them.
#[test]
fn corners_come_out_where_a_viewer_shows_them() {
    const RED: [u8; 3] = [255, 0, 0];
    const GREEN: [u8; 3] = [0, 255, 0];
    const BLUE: [u8; 3] = [0, 0, 255];
    const WHITE: [u8; 3] = [255, 255, 255];
    for (name, upright, corners) in [
        ("progressive.jpg", (32, 16), [RED, GREEN, BLUE, WHITE]),
        ("orient6.jpg", (16, 32), [BLUE, RED, WHITE, GREEN]),
        ("orient8.png", (16, 32), [GREEN, WHITE, RED, BLUE]),
        ("orient3.webp", (32, 16), [WHITE, BLUE, GREEN, RED]),
        ("orient5.tiff", (16, 32), [RED, BLUE, GREEN, WHITE]),
        ("cmyk.jpg", (32, 16), [RED, GREEN, BLUE, WHITE]),
        ("cmyk.tiff", (32, 16), [RED, GREEN, BLUE, WHITE]),
    ] {
        assert_eq!(measure(fixture(name)).expect(name).upright(), upright, "{name}");
        for size in [upright, (upright.0 * 4, upright.1 * 4), (8, 8)] {
            let made = copy(fixture(name), size, 1 << 20).unwrap_or_else(|error| panic!("{name}: {error}"));
            let (image, (width, height)) = (seen(&made), size);
            assert_eq!((made.size, image.dimensions()), (size, size), "{name}");
            let places = [(1, 1), (width - 2, 1), (1, height - 2), (width - 2, height - 2)];
            for ((x, y), expected) in places.into_iter().zip(corners) {
                let found = image.to_rgb8().get_pixel(x, y).0;
                let near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) < 60);
                assert!(near, "{name} at {x},{y} of {size:?}: {found:?}, not {expected:?}");
            }
            let again = measure(made.bytes).expect(name);
            assert_eq!((again.orientation, again.colour), (1, Some(Colour::Rgb)), "{name}");
        }
    }
}

#[test]
fn a_copy_is_png_where_the_source_is_lossless_or_transparent_and_it_fits() {
    for (name, format) in [
        ("dot.png", "png"),
        ("dot.gif", "png"),
        ("anim.gif", "png"),
        ("anim.png", "png"),
        ("dot.bmp", "png"),
        ("dot.tiff", "png"),
        ("alpha.webp", "png"),
        ("gray.png", "png"),
        ("dot.jpg", "jpeg"),
        ("gray.jpg", "jpeg"),
        ("dot.webp", "jpeg"),
        ("anim.webp", "jpeg"),
    ] {
        let made = copy(fixture(name), (40, 40), 1 << 20).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(made.format, format, "{name}");
        assert_eq!(seen(&made).dimensions(), (40, 40), "{name}");
        assert_eq!(made, copy(fixture(name), (40, 40), 1 << 20).expect(name), "{name}");
    }
}

#[test]
fn sixteen_bits_become_eight_and_grey_stays_grey() {
    // Rows 0 and 15 are 0x0000 and 0xf00f of 0xffff.
    let made = copy(fixture("gray.png"), (16, 16), 1 << 20).expect("a copy");
    let image = seen(&made);
    assert_eq!(image.color(), image::ColorType::L8);
    assert_eq!((image.to_luma8().get_pixel(3, 0).0, image.to_luma8().get_pixel(3, 15).0), ([0], [239]));
}

#[test]
fn what_is_transparent_stays_so_in_png_and_lies_over_white_in_jpeg() {
    let made = copy(fixture("alpha.png"), (16, 16), 1 << 20).expect("a copy");
    assert_eq!(seen(&made).get_pixel(12, 8).0, [0, 0, 255, 64]);
    // A noisy picture, which no PNG holds in so few bytes.
    let noise = image::RgbaImage::from_fn(64, 64, |x, y| {
        let value = (x * 7919 + y * 104_729 + x * y * 31) as u8;
        image::Rgba([value, value.rotate_left(3), !value, 0])
    });
    let mut bytes = Vec::new();
    noise.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).expect("a PNG");
    let made = copy(bytes.clone(), (64, 64), 3000).expect("a copy");
    assert_eq!((made.format, seen(&made).get_pixel(30, 30).0), ("jpeg", [255, 255, 255, 255]));
    assert!(matches!(copy(bytes, (64, 64), 100), Err(MediaError::Limit { allowed: 100, .. })));
}

#[test]
fn a_profile_is_kept_where_it_describes_the_copy() {
    use image::{ImageDecoder, ImageEncoder};
    let with_profile = |space: &[u8; 4]| {
        let mut profile = vec![0; 128];
        profile[16..20].copy_from_slice(space);
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
        encoder.set_icc_profile(profile).expect("room for it");
        image::RgbImage::new(8, 8).write_with_encoder(encoder).expect("a JPEG");
        let made = copy(bytes, (4, 4), 1 << 20).expect("a copy");
        let mut reader = image::codecs::jpeg::JpegDecoder::new(Cursor::new(made.bytes)).expect("a JPEG");
        reader.icc_profile().expect("readable").is_some()
    };
    assert!(with_profile(b"RGB "));
    assert!(!with_profile(b"CMYK"));
}

#[test]
fn what_is_not_copied_says_why() {
    let found = copy(fixture("dot.heic"), (16, 16), 1 << 20);
    assert!(matches!(&found, Err(MediaError::Unsupported(what)) if what.contains("JPEG or PNG first")), "{found:?}");
    assert!(matches!(copy(fixture("tone.flac"), (16, 16), 1 << 20), Err(MediaError::Unsupported(_))));
    assert!(matches!(copy(fixture("dot.png"), (0, 16), 1 << 20), Err(MediaError::Limit { .. })));
    assert!(matches!(copy(fixture("dot.png"), (1 << 16, 1 << 16), 1 << 20), Err(MediaError::Limit { .. })));
}

#[test]
fn a_picture_cut_anywhere_is_an_error_and_never_a_panic() {
    for name in PICTURES {
        let whole = fixture(name);
        for length in 0..whole.len() {
            let found = measure(whole[..length].to_vec());
            // Tags of a TIFF may follow its pixels, and only the size of a HEIC is read.
            if !name.ends_with(".tiff") && !name.ends_with(".heic") {
                assert!(found.is_err(), "{name} cut to {length}: {found:?}");
            }
            let _ = copy(whole[..length].to_vec(), (8, 8), 1 << 20);
        }
    }
}

#[test]
fn a_picture_bent_anywhere_never_panics() {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for name in PICTURES {
        let whole = fixture(name);
        for _ in 0..300 {
            let mut bent = whole.clone();
            for _ in 0..=random() % 4 {
                let at = random() as usize % bent.len();
                bent[at] = if random() % 3 == 0 { 0xff } else { random() as u8 };
            }
            let _ = measure(bent.clone());
            let _ = copy(bent, (8, 8), 1 << 20);
        }
    }
}
